"""Talking to MongoDB: clients, transactions that commit or say so, snapshots, and the driver's errors as ours."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    OperationFailure,
    PyMongoError,
    WriteError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from flowtrail.model.clock import monotonic_s
from flowtrail.model.errors import Refusal, StoreError, StoreFull, StoreUnavailable
from flowtrail.storage.urls import shown

Document = dict[str, Any]
Client = MongoClient[Document]
Result = TypeVar("Result")

SELECTION_TIMEOUT_MS: Final = 2_500
"""How long a call looks for a primary: an election takes longer, and callers would rather know."""
SOCKET_TIMEOUT_MS: Final = 20_000
PATIENCE_S: Final = 3_600.0
"""For what may rightly take long: indexes over everything, sorting everything, collections made during a
checkpoint."""
COMMIT_RETRY_S: Final = 4.0
"""How long a commit whose result is unknown is asked for again; the lease runs out soon after."""
COMMAND_BYTES: Final = 8 * 1024 * 1024
"""Of one write command; the wire's limit is 48 MB, a document's 16 MB."""
COMMAND_OPERATIONS: Final = 1_000

MAJORITY: Final = WriteConcern("majority", j=True)
SNAPSHOT: Final = ReadConcern("snapshot")
LOCAL: Final = ReadConcern("local")
"""The only one that may create collections."""

_FULL: Final = frozenset({14031})
_DENIED: Final = frozenset({13, 18, 8000})


def database_name(url: str) -> str:
    """The database that a URL names. Raises: Refusal when it names none."""
    try:
        name = urlsplit(url).path.strip("/")
    except ValueError as error:
        raise _wrong(url, error) from error
    if not name or "/" in name:
        allowed = "mongodb://HOST[:PORT]/DATABASE[?replicaSet=NAME]"
        raise Refusal("database_missing", "the store's URL names no database", "store", shown(url), allowed)
    return name


def _wrong(url: str, error: Exception) -> Refusal:
    return Refusal("invalid_store", f"the store's URL is wrong: {error}", "store", shown(url))


def connect(url: str) -> Client:
    """A client with our time-outs, unless the URL sets its own; everything it writes is durable on a majority.

    Raises: Refusal when the URL or an option in it cannot be understood.
    """
    ours: Document = {
        "serverSelectionTimeoutMS": SELECTION_TIMEOUT_MS,
        "connectTimeoutMS": SELECTION_TIMEOUT_MS,
        "socketTimeoutMS": SOCKET_TIMEOUT_MS,
    }
    set_there = urlsplit(url).query.lower()
    options = {name: value for name, value in ours.items() if f"{name.lower()}=" not in set_there}
    try:
        return MongoClient(
            url,
            connect=False,
            appname="flowtrail",
            w="majority",
            journal=True,
            readConcernLevel="majority",
            readPreference="primary",
            **options,
        )
    except (ConfigurationError, ValueError, TypeError) as error:
        raise _wrong(url, error) from error


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Turn what the driver raises into our errors; `what` was being done."""
    try:
        yield
    except PyMongoError as error:
        raise translated(error, what) from error


def translated(error: PyMongoError, what: str) -> StoreError:
    """Our error for the driver's."""
    code = getattr(error, "code", None)
    text = str(error).partition(", full error:")[0]
    if code in _FULL or "no space left" in text.lower():
        return StoreFull(f"{what}: MongoDB has no space left")
    if isinstance(error, ConnectionFailure):
        return StoreUnavailable(f"{what}: MongoDB cannot be reached: {text.partition(', Timeout:')[0]}")
    if code in _DENIED:
        return StoreUnavailable(f"{what}: MongoDB denies access: {text}")
    return StoreUnavailable(f"{what}: MongoDB failed: {text}")


def new_session(client: Client) -> ClientSession:
    """A session for transactions one after the other; whoever knows its id can end what its holder left open."""
    return client.start_session(causal_consistency=False)


def end_transactions(client: Client, session_id: Mapping[str, Any]) -> None:
    """Abort what a session has open. The server itself waits for a minute before it does so for a dead client, and
    until then keeps others from writing what the transaction has written."""
    client.admin.command("killSessions", [session_id])


def in_transaction(
    client: Client,
    work: Callable[[ClientSession], Result],
    read_concern: ReadConcern = SNAPSHOT,
    session: ClientSession | None = None,
) -> Result:
    """Run `work` in one transaction that is committed on a majority, and on disk, on return; in `session` if given.

    A commit whose result is unknown is asked for again, as the driver specifies; when that stays unknown, its
    error is raised, and so is every other: `work` is never run twice.
    """
    with nullcontext(session) if session is not None else new_session(client) as own:
        own.start_transaction(read_concern=read_concern, write_concern=MAJORITY)
        try:
            result = work(own)
        except BaseException:
            own.abort_transaction()
            raise
        deadline = monotonic_s() + COMMIT_RETRY_S
        while True:
            try:
                own.commit_transaction()
            except PyMongoError as error:
                if error.has_error_label("UnknownTransactionCommitResult") and monotonic_s() < deadline:
                    continue
                raise
            return result


@contextmanager
def snapshot(client: Client) -> Iterator[ClientSession]:
    """A session whose reads all see the same moment, one that is durable on a majority."""
    with client.start_session(snapshot=True) as session:
        yield session


# --- write commands ---
# The driver's bulk interface costs twice the encoding; these commands are what it sends.


def insert(
    session: ClientSession,
    database: Database[Document],
    name: str,
    documents: Sequence[Document],
    sizes: Sequence[int] | None = None,
) -> None:
    """Insert documents inside a transaction; `sizes` are their bytes where some may be large."""
    for first, last in _parts(len(documents), sizes):
        reply = database.command(
            "insert", name, documents=documents[first:last], ordered=True, session=session
        )
        _raise_write_error(reply)


def update(
    session: ClientSession,
    database: Database[Document],
    name: str,
    updates: Sequence[Document],
    sizes: Sequence[int] | None = None,
) -> int:
    """Apply updates ({q, u, …}) inside a transaction; how many documents they matched."""
    matched = 0
    for first, last in _parts(len(updates), sizes):
        reply = database.command("update", name, updates=updates[first:last], ordered=True, session=session)
        _raise_write_error(reply)
        matched += reply["n"]
    return matched


def delete(session: ClientSession, database: Database[Document], name: str, ids: Sequence[Any]) -> None:
    """Delete documents by id inside a transaction: one statement for many costs a third of one for each."""
    for first, last in _parts(len(ids), None):
        statement = {"q": {"_id": {"$in": ids[first:last]}}, "limit": 0}
        _raise_write_error(database.command("delete", name, deletes=[statement], session=session))


def _parts(count: int, sizes: Sequence[int] | None) -> Iterator[tuple[int, int]]:
    first = size = 0
    for index in range(count):
        more = 0 if sizes is None else sizes[index]
        if index > first and (index - first == COMMAND_OPERATIONS or size + more > COMMAND_BYTES):
            yield first, index
            first, size = index, 0
        size += more
    if count > first:
        yield first, count


def _raise_write_error(reply: Mapping[str, Any]) -> None:
    for error in reply.get("writeErrors", ()):
        raise WriteError(error.get("errmsg", "write failed"), error.get("code"), error)


def is_code(error: PyMongoError, code: int) -> bool:
    """Whether the server answered with that code."""
    return isinstance(error, OperationFailure) and error.code == code
