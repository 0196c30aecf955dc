"""Views held to the journal: both sides are walked together by transaction, and every state must be a refold.

A server may go on writing meanwhile. Everything is compared as of one moment (`Moment`); a transaction that changed
since then says so by its revision and is compared again at the end, with the pages that came.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from flowtrail.ledger.heads import reached
from flowtrail.ledger.recount import Entry, Gathered, Refold, covers, refold
from flowtrail.ledger.report import Report
from flowtrail.ledger.rows import derived_problems, difference_of, loaded, place_of, places_of, shown
from flowtrail.ledger.runs import Key
from flowtrail.ledger.sums import Sums
from flowtrail.model.errors import Damaged
from flowtrail.projection.derive import header_of, terms_of
from flowtrail.projection.state import State
from flowtrail.storage.interface import ChangeReader, Position, Store, Stored

MOST_MOVED: Final = 20_000
"""Transactions that changed meanwhile and are looked at again; of further ones it is only said how many."""
TRIES: Final = 3
_TELL_EVERY: Final = 1_000


@dataclass(frozen=True, slots=True)
class Moment:
    """What readers saw at one instant."""

    generation: str
    revision: int
    position: Position
    durable: Position
    """How far the journal reached then: whatever was shown stood in these pages."""

    def passed(self, changes: ChangeReader) -> bool:
        """Whether the views changed since."""
        revision = changes.revision()
        return (revision.generation, revision.number) != (self.generation, self.revision)


def present_moment(store: Store) -> Moment:
    """The present revision, with the position that belongs to it."""
    while True:
        revision, position = store.changes.revision(), store.changes.visible()
        durable = reached(store.journal.heads())
        moment = Moment(revision.generation, revision.number, position, durable)
        if not moment.passed(store.changes):
            return moment


class Comparison:
    """Compares the views of one moment. The cells were read into `sums` at that moment (`steady`: exactly then);
    `gathered` holds what the journal says up to it, and maybe beyond."""

    def __init__(
        self, store: Store, gathered: Gathered, sums: Sums, moment: Moment, report: Report, *, steady: bool
    ) -> None:
        self._store, self._gathered, self._sums = store, gathered, sums
        self._moment, self._report, self._steady = moment, report, steady
        self._moved: dict[Key, list[Entry]] = {}
        self._moved_beyond = 0
        self._excused = 0
        self._aside = _keys_aside(store)

    def run(self, tell: Callable[[int], None] | None = None) -> None:
        """Compare every transaction with its refold, then terms and cells with the recount."""
        counts = self._report.counts
        counts["transactions"] = 0
        for key, entries, stored in self._joined():
            if stored is None:
                self._absent(key, entries)
                continue
            counts["transactions"] += 1
            if stored.revision > self._moment.revision:
                self._later(key, entries, stored)
            else:
                self._present(key, entries, stored)
            if tell is not None and counts["transactions"] % _TELL_EVERY == 0:
                tell(counts["transactions"])
        self._sums.compare_terms(self._store, self._report, self._moment.revision)
        self._sums.compare_cells(self._report, steady=self._steady)
        if self._excused:
            self._report.note(
                f"{self._excused} transactions have records in pages that are damaged or where records were erased: not compared"
            )

    def _joined(self) -> Iterator[tuple[Key, list[Entry], Stored | None]]:
        """Both sides by tenant and id."""
        views = self._store.transactions.iter_states()
        stored = next(views, None)
        for key, entries in self._gathered.transactions():
            while stored is not None and (stored.tenant, stored.id) < key:
                yield (stored.tenant, stored.id), [], stored
                stored = next(views, None)
            if stored is not None and (stored.tenant, stored.id) == key:
                yield key, entries, stored
                stored = next(views, None)
            else:
                yield key, entries, None
        while stored is not None:
            yield (stored.tenant, stored.id), [], stored
            stored = next(views, None)

    def _refold(self, key: Key, entries: list[Entry]) -> Refold | None:
        return refold(key[0], entries, is_sifted=key in self._aside)

    # --- one transaction -----------------------------------------------------------------------------------

    def _due(self, entries: list[Entry]) -> list[Entry]:
        return [entry for entry in entries if covers(self._moment.position, entry.page)]

    def _absent(self, key: Key, entries: list[Entry]) -> None:
        due = self._due(entries)
        folded = self._refold(key, due) if due else None
        if folded is None:
            return  # only in pages that are not projected yet, or set aside whole
        if self._doubtful(due):
            self._excused += 1
            return
        named = places_of([entry.page for entry in due])
        self._report.find("transaction_missing", place_of(key), f"the views lack it; its records: {named}")
        self._sums.expect(key, folded)

    def _present(self, key: Key, entries: list[Entry], stored: Stored) -> None:
        due = shown(entries, stored, self._moment.position)
        state, folded = self._loaded(stored), self._refold(key, due)
        if state is not None and folded is not None and folded.state.encode() == state.encode():
            self._sums.expect(key, folded)
            for problem in derived_problems(key, due, stored, folded, is_sifted=key in self._aside):
                self._report.find(*problem)
        elif self._doubtful(due) or self._gathered.doubtful.intersection(stored.pages):
            self._excused += 1
            if state is not None:
                self._sums.expect(key, _as_it_is(state))
        elif folded is None:
            named = places_of(stored.pages)
            self._report.find(
                "transaction_extra", place_of(key), f"the journal has no record of it; it names {named}"
            )
        else:
            self._sums.expect(key, folded)
            if state is not None:
                self._report.find("state", place_of(key), difference_of(folded.state, state))

    def _later(self, key: Key, entries: list[Entry], stored: Stored) -> None:
        """It changed since the moment: as of then it was the refold of what was visible then."""
        if len(self._moved) < MOST_MOVED:
            self._moved[key] = entries
        else:
            self._moved_beyond += 1
        folded, state = self._refold(key, self._due(entries)), self._loaded(stored)
        ahead = self._may_have_been_ahead(entries)
        if folded is not None:
            self._sums.expect(key, folded)
            self._sums.moving(key[0], folded, ahead=ahead)
        if state is not None:
            self._sums.moving(key[0], _as_it_is(state), ahead=ahead)

    def _may_have_been_ahead(self, entries: list[Entry]) -> bool:
        """Whether a batch that was half written at the moment may have shown more of it than the position says."""
        moment = self._moment
        return any(
            covers(moment.durable, entry.page) and not covers(moment.position, entry.page)
            for entry in entries
        )

    def _loaded(self, stored: Stored) -> State | None:
        try:
            return loaded(stored)
        except Damaged as error:
            self._report.find("state", place_of((stored.tenant, stored.id)), str(error))
            return None

    def _doubtful(self, entries: list[Entry]) -> bool:
        return any(entry.page in self._gathered.doubtful for entry in entries)

    # --- what changed meanwhile ----------------------------------------------------------------------------

    def recheck(self, later: Callable[[set[Key]], dict[Key, list[Entry]]]) -> None:
        """Compare again what changed since the moment; `later` reads the pages that came, for those transactions."""
        waiting = dict(self._moved)
        self._aside |= _keys_aside(self._store)
        for _ in range(TRIES):
            if not waiting:
                break
            # First the states, then the pages: what a state was made of is there by then.
            seen = {key: self._store.transactions.find(*key) for key in waiting}
            came = later(set(waiting))
            waiting = {
                key: entries
                for key, entries in waiting.items()
                if not self._settled(key, [*entries, *came.get(key, [])], seen[key])
            }
        for key in waiting:
            self._report.find(
                "state", place_of(key), "it is no refold of the journal, also when looked at again"
            )
        if self._moved:
            self._report.note(
                f"{len(self._moved)} transactions changed meanwhile and were compared again"
                + (f", {self._moved_beyond} more were not: check again" if self._moved_beyond else "")
            )

    def _settled(self, key: Key, entries: list[Entry], stored: Stored | None) -> bool:
        if stored is None:
            return False
        due = shown(entries, stored, self._moment.position)
        folded, state = self._refold(key, due), self._loaded(stored)
        if folded is None or state is None or folded.state.encode() != state.encode():
            return self._doubtful(entries)
        for problem in derived_problems(key, due, stored, folded, is_sifted=key in self._aside):
            self._report.find(*problem)
        return True


def _as_it_is(state: State) -> Refold:
    return Refold(state, header_of(state), terms_of(state))


def _keys_aside(store: Store) -> set[Key]:
    """Transactions with a record that the projector could not fold or count."""
    return {
        (entry.tenant, entry.transaction)
        for entry in store.transactions.set_aside()
        if entry.transaction is not None
    }
