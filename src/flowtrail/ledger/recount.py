"""What the views should be, straight from the journal: records gathered by transaction, folded and counted anew.

Nothing here is shared with the projector but the definitions (`projection.state`, `derive`, `tally`): what it keeps
by differences is held to what stands here.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from flowtrail.ledger.pages import PageHeader
from flowtrail.ledger.runs import Key, Runs
from flowtrail.model.pages import split_number
from flowtrail.model.records import (
    AnyRecord,
    BlockRecord,
    EndRecord,
    FlowRecord,
    LinkRecord,
    ReportRecord,
    TransactionRecord,
    decode_records,
    encode_record,
)
from flowtrail.projection.cells import Cell, CellKey, add_into, decode_cell, encode_cell
from flowtrail.projection.derive import header_of, tally_state, terms_of
from flowtrail.projection.header import Header
from flowtrail.projection.producers import Stated
from flowtrail.projection.ranges import of_numbers
from flowtrail.projection.state import State
from flowtrail.projection.tally import Tally
from flowtrail.storage.interface import Position

Folded = TransactionRecord | BlockRecord | EndRecord

DefinitionKey = tuple[str, str, tuple[str, ...]]
Stamped = tuple[tuple[int, str, int], bytes]

_TALLY_EVERY: Final = 2_000
"""Transactions counted at once: enough for the columns to pay, few enough to find the one that cannot be."""
_TALLY_EXECUTIONS: Final = 20_000
"""Executions of them, which are held until they are counted: of long ones fewer."""
_OBJECT_BYTES: Final = 200


class Entry(NamedTuple):
    """The records of one transaction in one page, encoded as a list."""

    page: int
    records: bytes


def covers(position: Position, page: int) -> bool:
    """Whether views folded that far show that page."""
    ordinal, sequence = split_number(page)
    return position.get(ordinal, 0) >= sequence


class Gathered:
    """Everything the journal says, by what it speaks of. `close` removes what was spilled."""

    def __init__(self) -> None:
        self.records = Runs()
        self.links = Runs()
        """(tenant, parent, child, relation) -> the page it stands in."""
        self.sessions = Runs()
        """(tenant, producer) -> [page, received, accepted, rejected, report], for each page that speaks of it."""
        self.definitions: dict[DefinitionKey, list[tuple[int, Stamped]]] = {}
        """Every statement of a register outside transactions, with its page: there are few."""
        self.doubtful: set[int] = set()
        """Pages that are damaged or where a record was erased: what they lack is held against nobody."""

    def take(
        self,
        page: int,
        tenant: str,
        records: Sequence[AnyRecord | None],
        header: PageHeader | None = None,
    ) -> None:
        """Sort in what a page holds; where a record was erased, the page is doubtful. Producers are heard where the
        header is given."""
        if header is not None:
            self._hear(page, tenant, records, header)
        here: dict[bytes, list[Folded]] = {}
        for record in records:
            if isinstance(record, BlockRecord | EndRecord):
                here.setdefault(record.transaction, []).append(record)
            elif isinstance(record, TransactionRecord):
                here.setdefault(record.id, []).append(record)
                if record.retry_of is not None:
                    self.links.add((tenant, record.retry_of, record.id, "retry"), page)
            elif isinstance(record, LinkRecord):
                self.links.add((tenant, record.parent, record.child, record.relation), page)
            elif isinstance(record, FlowRecord):
                self._define((tenant, "flow", (record.flow, record.version)), page, record)
            elif record is None:
                self.doubtful.add(page)
        for key, own in here.items():
            encoded = encode_record(own)
            self.records.add((tenant, key), [page, encoded], len(encoded) + _OBJECT_BYTES)

    def _hear(self, page: int, tenant: str, records: Iterable[AnyRecord | None], header: PageHeader) -> None:
        accepted: dict[str, set[int]] = {}
        stated: dict[str, Stated] = {}
        for record in records:
            if record is None or record.producer is None or record.seq is None:
                continue
            accepted.setdefault(record.producer, set()).add(record.seq)
            if isinstance(record, ReportRecord):
                own = Stated(record.at, record.seq, encode_record(record))
                stated[record.producer] = max(own, stated.get(record.producer, own))
        for producer in {*accepted, *header.rejected}:
            came = of_numbers(accepted.get(producer, ()))
            refused = of_numbers(header.rejected.get(producer, ()))
            value = [page, header.received_at, came, refused, stated.get(producer)]
            self.sessions.add((tenant, producer), value, _OBJECT_BYTES + 8 * (len(came) + len(refused)))

    def _define(self, key: DefinitionKey, page: int, record: FlowRecord) -> None:
        stamp = (record.at, record.producer or "", record.seq or 0)
        self.definitions.setdefault(key, []).append((page, (stamp, encode_record(record))))

    def transactions(self) -> Iterator[tuple[Key, list[Entry]]]:
        """(tenant, id) ascending, each with its entries by page."""
        for key, values in self.records.groups():
            yield key, sorted(Entry(*value) for value in values)

    def close(self) -> None:
        """Give memory and temporary files back."""
        self.records.close()
        self.links.close()
        self.sessions.close()


class Refold(NamedTuple):
    """A transaction as the definitions have it."""

    state: State
    header: Header
    terms: set[str]


def refold(tenant: str, entries: Sequence[Entry], *, is_sifted: bool = False) -> Refold | None:
    """The fold of all records of the entries; those that cannot be folded are left out, None when that is all.
    `is_sifted`, as for a transaction with records set aside: those that cannot be counted are left out as well."""
    records = [record for entry in entries for record in decode_records(entry.records)]
    if is_sifted:
        return _sifted(tenant, records)
    try:
        return _refold(records)
    except Exception:  # noqa: BLE001 -- whatever it is, the projector set the same record aside
        return _sifted(tenant, records)


def _refold(records: Iterable[AnyRecord]) -> Refold | None:
    state = State()
    for record in records:
        if isinstance(record, BlockRecord):
            state.add_block(record)
        elif isinstance(record, TransactionRecord):
            state.add_transaction(record)
        elif isinstance(record, EndRecord):
            state.add_end(record)
    if not (state.opened or state.ends or state.executions):
        return None
    return Refold(state, header_of(state), terms_of(state))


def _sifted(tenant: str, records: Sequence[AnyRecord]) -> Refold | None:
    good: list[AnyRecord] = []
    for record in records:
        try:
            folded = _refold([*good, record])
            if folded is not None:
                _counted(tenant, folded)
        except Exception:  # noqa: BLE001, S112 -- see `refold`
            continue
        good.append(record)
    return _refold(good)


def _counted(tenant: str, folded: Refold) -> dict[CellKey, Cell]:
    tally = Tally()
    tally_state(tally, tenant, folded.state, folded.header, 1)
    return tally.cells()


class Recount:
    """Adds up the cells of many transactions; what is added up is told to `into` by and by."""

    def __init__(self, into: Runs, side: int) -> None:
        self._into, self._side = into, side
        self._waiting: list[tuple[str, Refold]] = []
        self._executions = 0

    def add(self, tenant: str, folded: Refold) -> None:
        """Count a transaction."""
        self._waiting.append((tenant, folded))
        self._executions += len(folded.state.executions)
        if len(self._waiting) >= _TALLY_EVERY or self._executions >= _TALLY_EXECUTIONS:
            self.flush()

    def flush(self) -> None:
        """Tell what is counted and not told yet."""
        tally = Tally()
        try:
            for tenant, folded in self._waiting:
                tally_state(tally, tenant, folded.state, folded.header, 1)
            self._tell(tally.cells())
        except Exception:  # noqa: BLE001 -- one of them cannot be counted; the projector set its record aside
            for tenant, folded in self._waiting:
                self._alone(tenant, folded)
        self._waiting = []
        self._executions = 0

    def _alone(self, tenant: str, folded: Refold) -> None:
        try:
            self._tell(_counted(tenant, folded))
        except Exception:  # noqa: BLE001 -- this is the one: what is left of it is counted
            records = encode_record(_records(folded.state))
            rest = _sifted(tenant, decode_records(records))
            if rest is not None:
                self._tell(_counted(tenant, rest))

    def _tell(self, cells: dict[CellKey, Cell]) -> None:
        for key, cell in cells.items():
            self._into.add(flat(key), [self._side, encode_cell(cell)], 10 * len(cell))


def _records(state: State) -> list[AnyRecord]:
    ends = [record for attempt in state.ends for record in state.ends[attempt]]
    blocks = [record for key in state.executions for record in state.statements(key)]
    return [*state.opened, *ends, *blocks]


def flat(key: CellKey) -> Key:
    """A cell's key as a key of `Runs`."""
    return (*key[:4], *key.group)


def unflat(key: Key) -> CellKey:
    """The cell's key again."""
    tenant, kind, width, start, *group = key
    return CellKey(tenant, kind, width, start, tuple(group))


def summed(cells: Iterable[bytes]) -> Cell:
    """The sum of cells, each as `encode_cell` made it."""
    total: Cell = {}
    for cell in cells:
        add_into(total, decode_cell(cell))
    return total
