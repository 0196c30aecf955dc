"""Transactions: the list, one of them, and everything about it."""

from typing import Any

from flowtrail.model.statuses import ExecutionStatus, Relation, TransactionStatus
from flowtrail.server.answers.shape import Shape


class ListItem(Shape):
    """A transaction as lists and the live feed show it. Instants are RFC 3339 in UTC, absent facts null."""

    id: str
    tenant: str
    announced: bool
    flow: str | None
    version: str | None
    object_type: str | None
    object_id: str | None
    keys: dict[str, str]
    attributes: dict[str, Any]
    value: str | None
    currency: str | None
    trace: str | None
    status: TransactionStatus
    attempt: int
    retry_of: str | None
    opened_at: str | None
    created_at: str | None
    updated_at: str | None
    ended_at: str | None
    duration_s: float | None
    deadline_at: str | None
    current_block: str | None
    reason: str | None
    predicate: str | None
    has_failures: bool
    truncated: bool


class Transactions(Shape):
    """A page. `next_page_token` is null exactly at the end; `short` says that looking took too long to fill it."""

    transactions: list[ListItem]
    next_page_token: str | None
    total: int | None
    total_is_exact: bool
    short: bool
    changed_since: int


class Stage(Shape):
    """One stage; `expected` is null where the flow is not declared."""

    stage: str
    state: ExecutionStatus
    done: int
    open: int
    expected: int | None
    started_at: str | None
    ended_at: str | None


class Progress(Shape):
    """How far along a transaction is, in blocks."""

    done: int
    open: int
    expected: int | None
    current_block: str | None
    stages: list[Stage]


class BlockProgress(Shape):
    """One block of a transaction, its executions judged together."""

    block: str | None
    stage: str | None
    status: ExecutionStatus
    attempts: int
    executions: int
    started_at: str | None
    ended_at: str | None
    wait_s: float | None
    work_s: float | None


class Frame(Shape):
    """One line of a stack."""

    module: str | None = None
    function: str | None = None
    file: str | None = None
    line: int | None = None
    in_app: bool | None = None


class ExceptionShown(Shape, rename={"kind": "type"}):
    """An exception as it was stated; `cause` is what it was raised from."""

    kind: str
    message: str | None = None
    module: str | None = None
    stacktrace: str | None = None
    frames: list[Frame] | None = None
    cause: "ExceptionShown | None" = None
    raised_at: str | None = None


class Skip(Shape):
    """Why a block did not run."""

    predicate: str
    reason: str | None = None
    expected: Any = None
    actual: Any = None


class Block(Shape):
    """One execution with everything that was said of it."""

    id: str
    block: str | None
    stage: str | None
    parent: str | None
    attempt: int
    status: ExecutionStatus
    queued_at: str | None
    started_at: str | None
    ended_at: str | None
    wait_s: float | None
    work_s: float | None
    details: dict[str, Any]
    exceptions: list[ExceptionShown]
    skip: Skip | None
    usage: dict[str, float]
    worker: str | None


class SetAside(Shape):
    """A record that could not be projected, and where it stands."""

    page: int
    leaf: int
    reason: str


class Transaction(ListItem):
    """One transaction with everything: `blocks` are the first 1,000 executions."""

    late: bool
    stuck: bool
    progress: Progress
    block_progress: list[BlockProgress]
    blocks: list[Block]
    blocks_total: int
    blocks_next_page_token: str | None
    set_aside: list[SetAside]


class TransactionProgress(Progress):
    """How far along one transaction is, with its blocks."""

    id: str
    status: TransactionStatus
    late: bool
    stuck: bool
    block_progress: list[BlockProgress]


class Blocks(Shape):
    """A page of executions; `truncated` says that some were too many to be kept."""

    blocks: list[Block]
    next_page_token: str | None
    total: int
    total_is_exact: bool
    truncated: bool


class RecordShown(Shape):
    """A record as accepted, and where it stands in the journal."""

    page: int
    leaf: int
    writer: str
    sequence: int
    page_hash: str
    received_at: str
    record: dict[str, Any]


class Records(Shape):
    """A page of records."""

    records: list[RecordShown]
    next_page_token: str | None


class ObjectTransactions(Transactions):
    """A page of one object's transactions."""

    type: str
    id: str


class Link(Shape):
    """A relation between two transactions."""

    parent: str
    child: str
    relation: Relation


class Relative(Shape):
    """One end of a link; `transaction` is null while nobody spoke of it."""

    relation: Relation
    id: str
    transaction: ListItem | None


class Lineage(Shape):
    """What a transaction came from and led to; `complete` is false when more links were there than are told."""

    id: str
    parents: list[Relative]
    children: list[Relative]
    ancestors: list[Link]
    descendants: list[Link]
    complete: bool
