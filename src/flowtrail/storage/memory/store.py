"""The memory store, composed. Handles of one URL in one process share what they hold."""

from threading import Lock
from weakref import WeakValueDictionary

from flowtrail.model.clock import Clock, now_us
from flowtrail.model.errors import StoreMissing
from flowtrail.storage.health import Health
from flowtrail.storage.memory.journal import MemoryJournal
from flowtrail.storage.memory.producers import MemoryProducers
from flowtrail.storage.memory.reader import MemoryReader
from flowtrail.storage.memory.views import MemoryViewWriter, Shelf


class _Place:
    """What one named store holds, for as long as somebody has it open."""

    def __init__(self) -> None:
        self.shelf = Shelf()
        self.journal = MemoryJournal(self.shelf.lock)


_places: WeakValueDictionary[str, _Place] = WeakValueDictionary()
_places_lock = Lock()


class MemoryStore:
    """`memory:` is a store of its own; `memory:NAME` is shared by all handles of that name in this process, until
    the last of them is gone."""

    def __init__(self, name: str = "", clock: Clock = now_us) -> None:
        self._name = name
        self._clock = clock
        self._place: _Place | None = None

    def open(self, *, create: bool = True) -> None:
        with _places_lock:
            place = _places.get(self._name) if self._name else None
            if place is None:
                if not create:
                    raise StoreMissing(f"there is no store memory:{self._name} in this process")
                place = _Place()
                if self._name:
                    _places[self._name] = place
        self._place = place
        self.journal = place.journal
        self.transactions = self.cells = self.changes = MemoryReader(place.shelf)
        self.producers = MemoryProducers(place.shelf)

    def hold(self) -> None:
        """Nobody outside this process can write it."""

    def view_writer(self) -> MemoryViewWriter:
        return MemoryViewWriter(self._opened().shelf, self._clock)

    def views_version(self) -> tuple[int, bool]:
        shelf = self._opened().shelf
        with shelf.lock:
            return shelf.views.version, shelf.rebuilding is not None

    def check(self) -> Health:
        shelf = self._opened().shelf
        with shelf.lock:
            return Health((), {"store": "memory", "transactions": len(shelf.views.rows)})

    def close(self) -> None:
        self._place = None

    def _opened(self) -> _Place:
        if self._place is None:
            raise StoreMissing("the store is not open")
        return self._place
