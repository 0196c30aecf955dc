"""The contract of a store: small roles, composed by one `Store`.

Data goes one way: intake appends pages to the `Journal`; the projector reads them there, folds, and hands the
difference to the `ViewWriter` as one atomic write; everybody else reads through the readers.
Everything is synchronous and may be called from any thread unless it says otherwise.
Values passed in belong to the store until the call returns; values returned belong to the caller.

MUST and MAY are meant: each MUST has a test in `tests/contract` that names it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from flowtrail.model.conditions import EVERYTHING, Condition, Moment, SortKey
from flowtrail.model.pages import Page, Writer
from flowtrail.projection.cells import Cell, CellKey
from flowtrail.projection.header import Header
from flowtrail.projection.producers import Heard
from flowtrail.storage.cells import CellReader
from flowtrail.storage.health import Health
from flowtrail.storage.producers import ProducerReader

DEFAULT_TENANT = "default"


# --- the journal -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Head:
    """The last durable page of a writer: its sequence (0 before the first) and hash."""

    writer: Writer
    sequence: int
    hash: bytes


Position = dict[int, int]
"""Writer's ordinal -> sequence of its last page that is meant; a writer that is absent stands at 0."""


class Journal(Protocol):
    """Append-only pages, the truth. Durable before `append` returns."""

    @property
    def durability(self) -> str:
        """ "disk" or "majority" ("none" in memory): what an acknowledgement may claim."""

    def register(self, tenant: str, name: str) -> Writer:
        """Give a writer its ordinal, durably. The same (tenant, name) MUST get the same ordinal."""

    def append(self, pages: Sequence[Page]) -> None:
        """Make pages durable, all or none where the store can, in the order given.

        MUST be durable on return at the level `durability` names. Appending a page that is there already with
        the same hash MUST succeed and change nothing (a resend after an unknown commit); with another hash MUST
        raise `PageConflict`. Raises: StoreFull, StoreUnavailable (outcome unknown; send the same pages again).
        """

    def heads(self) -> list[Head]:
        """The durable head of every writer of every tenant, from the store itself, never from a cache."""

    def read(self, after: Position, limit: int) -> list[Page]:
        """Up to `limit` pages beyond `after`, in ascending sequence within each writer; empty when there are none.

        MUST never skip a page of a writer: what is returned is contiguous per writer.
        """

    def page(self, number: int) -> Page | None:
        """One page by its number."""

    def iter_pages(self, ordinal: int, first: int = 1) -> Iterator[Page]:
        """All pages of a writer from sequence `first` on."""

    def writers(self) -> list[Writer]:
        """All writers of all tenants, by ordinal."""

    def replace_secret(self, number: int, secret: bytes, body: bytes) -> None:
        """Put an erased page's new secret and body in place; header, previous and hash stay."""

    def size_bytes(self) -> int:
        """What the journal takes on disk, approximately."""


# --- writing views -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Change:
    """What one batch changes of one transaction. `locator` is what `ViewWriter.load` or an earlier `write` of this lease
    gave for it, None when it is new.
    `facts` is None when they did not change. `piece` holds the statements about executions that this batch adds,
    None when it adds none; the store joins pieces when reading, and MAY merge them at any time with
    `projection.state.merge_pieces`.
    `terms_gone` are rows under `before.opened_at`, `terms_new` under `after.opened_at`; where opened_at changes,
    every term is in both. `pages` are the journal pages its records of this batch stand in.
    """

    tenant: str
    id: bytes
    locator: Any
    before: Header | None
    after: Header
    facts: bytes | None
    piece: bytes | None
    terms_gone: Sequence[str]
    terms_new: Sequence[str]
    pages: Sequence[int]


class LinkRow(NamedTuple):
    """One link; links are a set."""

    tenant: str
    parent: bytes
    child: bytes
    relation: str


class Definition(NamedTuple):
    """A register outside transactions, a flow's declaration: "flow", (flow, version). The greatest (stamp, body) wins."""

    tenant: str
    kind: str
    name: tuple[str, ...]
    stamp: tuple[int, str, int]
    body: bytes


class SetAside(NamedTuple):
    """A record that could not be projected: where it stands, whom it concerned (None: nobody), and why."""

    tenant: str
    page: int
    leaf: int
    transaction: bytes | None
    reason: str


@dataclass(slots=True)
class Batch:
    """One atomic write of the projector."""

    changes: list[Change] = field(default_factory=list)
    cells: dict[CellKey, Cell] = field(default_factory=dict)
    """Differences to add; a cell whose counters all become zero MUST disappear."""
    links: list[LinkRow] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    """Of each producer session at most one; see `storage.producers`."""
    position: Position = field(default_factory=dict)
    """How far the journal is folded once this batch is written: the whole vector."""

    @property
    def empty(self) -> bool:
        """Whether it saves a position and nothing else."""
        return self == Batch(position=self.position)


class Revision(NamedTuple):
    """Names one atomic write: (generation of the views, lease epoch, number). Numbers only grow within a generation."""

    generation: str
    epoch: int
    number: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to project. `epoch` grows with every takeover."""

    epoch: int
    holder: str


@dataclass(slots=True)
class Loaded:
    """What `load` found of a transaction."""

    locator: Any
    header: Header
    facts: bytes
    pieces: list[bytes]


class ViewWriter(Protocol):
    """The projector's side. A batch carries at most `max_changes`, where it is None any number, and exactly the cells
    that these contribute. One thread calls all methods, unless `hold_back_s` is not 0: then `write` is called on a
    thread of its own, one at a time, and `load` beside it, and what comes may wait for so long, so that several
    records of a transaction become one write."""

    max_changes: int | None
    hold_back_s: float

    def acquire(self, holder: str, ttl_s: float) -> Lease | None:
        """Take the lease, or None while another holder's has not run out. A takeover MUST raise the epoch, durably,
        before it returns: afterwards no write under an older epoch succeeds."""

    def release(self, lease: Lease) -> None:
        """Give the lease up, so that the next holder need not wait."""

    def position(self) -> Position:
        """How far the views have been folded."""

    def load(self, tenant: str, ids: Sequence[bytes]) -> dict[bytes, Loaded]:
        """The stored states of those ids that exist. MUST only be called under a lease."""

    def write(self, batch: Batch, lease: Lease) -> tuple[Revision, list[Any]]:
        """Write a batch atomically and renew the lease; the new revision and a locator for each change.

        MUST check in the same atomic write that `lease` is still the newest, by updating it. A batch without
        anything else MAY only save the position, without a new revision. Headers, terms, pieces, cells, links,
        producer sessions, change log and position are visible together or not at all;
        Raises: LeaseLost; StoreFull, StoreUnavailable (outcome unknown: drop every cached state, load again).
        """

    def begin_rebuild(self) -> "ViewWriter":
        """A writer onto new, empty views beside the present ones (left-overs of an earlier rebuild are dropped).
        Readers go on reading the old ones. There is one lease: acquired through either writer, it counts for both."""

    def finish_rebuild(self, rebuilt: "ViewWriter") -> None:
        """Switch readers to the rebuilt views, atomically, with a new generation; the old ones are dropped.

        MUST raise LeaseLost unless the rebuilt views were folded under the lease that is the newest: whatever
        another projector wrote meanwhile would be lost. Afterwards `rebuilt` writes the present views.
        """


# --- reading views -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Stored:
    """One transaction as a reader sees it, all from one snapshot. `pieces` is None where only headers were asked."""

    tenant: str
    id: bytes
    header: Header
    facts: bytes
    pieces: list[bytes] | None
    pages: list[int]
    revision: int


class Whole(NamedTuple):
    """One transaction (None: it is not there) with what else answers about it say: its records that could not be
    projected, sorted by where they stand, and every flow that its tenant declared, sorted by name."""

    stored: Stored | None
    set_aside: list[SetAside]
    flows: list[Definition]


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of a list ended: the last row's sort instant and id; `pinned` is the revision number of the
    first page, for `updated` and `ended` and for counting `changed_since`."""

    instant: int
    id: bytes
    pinned: int


@dataclass(frozen=True, slots=True)
class Selection:
    """What a list asks for. Rows come newest first by `sort`, ties by id descending; rows without that instant
    are left out. `since`/`until` bound opened_at, half open."""

    tenant: str
    moment: Moment
    condition: Condition = EVERYTHING
    since: int | None = None
    until: int | None = None
    sort: SortKey = "opened"
    after: Cursor | None = None
    limit: int = 50
    budget_s: float | None = 0.1
    """Scan no longer than this; None: until the page is full."""


@dataclass(slots=True)
class Selected:
    """One page. `next` is None exactly at the end of the list; a page that is not full and has a `next` ran out of
    its budget (`short`). `pinned` is the revision number to carry on; `changed_since` counts, for `updated` and
    `ended`, the transactions that changed after the pin and so left the later pages, for `opened` those whose
    opened instant itself was corrected after it."""

    rows: list[Stored]
    next: Cursor | None
    short: bool
    pinned: int
    changed_since: int


class TransactionReader(Protocol):
    """Reads are snapshots: what one call returns was true together."""

    def find(self, tenant: str, id: bytes) -> Stored | None:
        """One transaction with its pieces."""

    def find_whole(self, tenant: str, id: bytes) -> Whole:
        """One transaction with what else answers about it say. What is told beside it MUST be no older than it."""

    def select(self, selection: Selection) -> Selected:
        """A page of headers. A walk with `next` MUST show every transaction that was there at its start and still
        matches exactly once, whatever is written meanwhile."""

    def count(self, selection: Selection) -> tuple[int, bool]:
        """How many match (`after` and `limit` aside), and whether that is exact: it is a lower bound when
        `budget_s` ran out."""

    def parents(self, tenant: str, child: bytes) -> list[LinkRow]:
        """Links to a transaction, sorted."""

    def children(self, tenant: str, parent: bytes) -> list[LinkRow]:
        """Links from a transaction, sorted."""

    def find_many(self, tenant: str, ids: Sequence[bytes], *, pieces: bool = True) -> list[Stored | None]:
        """The first of these transactions, in the order given, None for one that is not there; without `pieces` as a
        list has them. MUST read at least the first, and MAY leave the others to another call: what is held at once is
        bounded, however many are asked for and however long they are."""

    def find_links(self, tenant: str, ids: Sequence[bytes], most: int) -> list[LinkRow] | None:
        """Links from or to any of these, each once, sorted; None when there are more than `most`."""

    def definitions(self, tenant: str, kind: str) -> list[Definition]:
        """The winning registers of a kind, sorted by name."""

    def iter_states(self, tenant: str | None = None) -> Iterator[Stored]:
        """Every transaction with its pieces, by tenant and id, as it is when met: walks MUST NOT hold a moment for hours."""

    def iter_terms(self, tenant: str) -> Iterator[tuple[str, int, bytes]]:
        """Every row of the inverted index (term, opened_at, transaction id), sorted: for checks."""

    def term_totals(self, tenant: str) -> dict[str, int]:
        """How many have each term of a counted kind (`projection.terms`); one that none has MAY be there with 0."""

    def iter_links(self) -> Iterator[LinkRow]:
        """Every link of every tenant, in no particular order: for checks."""

    def set_aside(self) -> list[SetAside]:
        """Every record that could not be projected."""


class ChangeReader(Protocol):
    """What the live feed follows."""

    def revision(self) -> Revision:
        """The newest visible revision."""

    def visible(self) -> Position:
        """How far the journal is folded in what readers see now."""

    def changed(self, tenant: str, after: int, limit: int) -> tuple[list[tuple[int, bytes]], bool] | None:
        """(revision number, transaction id) of changes after a number, in order of revision, and whether there are
        more. A revision MUST NOT be torn: its rows all come, even beyond `limit`. None when the log no longer
        reaches back that far."""

    def epoch_end(self, epoch: int) -> int | None:
        """The last revision number written under an earlier epoch of this generation; None when unknown."""


class Store(Protocol):
    """One place where journal and views live. Constructing does no I/O.

    `changes` etc. MAY be one object that plays several roles.
    """

    @property
    def journal(self) -> Journal: ...
    @property
    def transactions(self) -> TransactionReader: ...
    @property
    def cells(self) -> CellReader: ...
    @property
    def producers(self) -> ProducerReader: ...
    @property
    def changes(self) -> ChangeReader: ...

    def open(self, *, create: bool = True) -> None:
        """Connect, create or migrate what is missing. Raises: StoreMissing (not there and `create` is False),
        StoreTooNew, StoreUnavailable."""

    def hold(self) -> None:
        """Claim the sole right to write the journal, for this process, until `close`. A store that many processes
        may write does nothing. MUST raise `StoreHeld`, with the holder's address, while another process has it."""

    def view_writer(self) -> ViewWriter:
        """The projector's side, with connections of its own."""

    def views_version(self) -> tuple[int, bool]:
        """The projection version of the views that readers see, and whether a rebuild is under way."""

    def check(self) -> Health:
        """Ask the back end for damage: cheap checks of its own, not the chain (that is `ledger.check`)."""

    def close(self) -> None:
        """Give connections back; idempotent."""
