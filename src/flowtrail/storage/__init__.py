"""Where journal and views live: one contract (`interface`), three back ends, chosen by URL."""

from flowtrail.model.errors import Refusal, StoreUnavailable
from flowtrail.storage.interface import Store
from flowtrail.storage.urls import shown

DEFAULT_STORE = "sqlite:./flowtrail-data"
ALLOWED = "sqlite:DIRECTORY, mongodb://…/DATABASE or memory:"


def open_store(url: str, *, create: bool = True, address: str = "", held: bool = False) -> Store:
    """The store at that URL, opened; whoever opens it closes it.

    `address` is what others are told who try to write to an embedded store while this process does.
    `held`: a parent process that outlives this one holds the store, so this one may write the journal as it does.
    Raises: Refusal (no such kind of store), StoreMissing, StoreTooNew, StoreUnavailable (also when the extra that
    carries the driver is not installed).
    """
    store = _made(url, address, held=held)
    store.open(create=create)
    return store


def _made(url: str, address: str, *, held: bool) -> Store:
    scheme, colon, rest = url.partition(":")
    if scheme == "sqlite" and rest:
        try:
            from flowtrail.storage.sqlite.store import SqliteStore
        except ImportError as error:
            raise _extra_missing(url, "server", error) from error
        return SqliteStore(rest, address, held=held)
    if scheme in {"mongodb", "mongodb+srv"}:
        try:
            from flowtrail.storage.mongodb.store import MongoStore
        except ImportError as error:
            raise _extra_missing(url, "mongodb", error) from error
        return MongoStore(url)
    if scheme == "memory" and colon:
        from flowtrail.storage.memory.store import MemoryStore

        return MemoryStore(rest)
    raise Refusal("unknown_store", _no_kind(url), "store", url, ALLOWED)


def _no_kind(url: str) -> str:
    if url == "sqlite:":
        return "sqlite: names no directory; allowed: sqlite:DIRECTORY"
    # A directory alone is what most people type first.
    meant = "memory:" if url == "memory" else f"sqlite:{url}"
    near = "" if "://" in url or not url.strip() else f"; did you mean {meant}?"
    return f"there is no store of the kind {shown(url)[:200]!r}{near}; allowed: {ALLOWED}"


def _extra_missing(url: str, extra: str, error: ImportError) -> StoreUnavailable:
    scheme = url.partition(":")[0]
    return StoreUnavailable(f'a {scheme} store needs {error.name}: pip install "flowtrail[{extra}]"')
