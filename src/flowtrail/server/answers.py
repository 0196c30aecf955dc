"""What answers look like: the shapes that /openapi.json describes, and that tests hold every answer to.

Services make plain dictionaries; these shapes are never filled when answering.
"""

from typing import Any, Literal

import msgspec

from flowtrail.model.statuses import ExecutionStatus, Relation, TransactionStatus


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    """An answer with these members and no others."""


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


class Rejected(Shape):
    """A record that was not accepted, by its place in the request."""

    index: int
    code: str
    field: str | None
    received: str | None
    allowed: str | None
    message: str
    producer: str | None = None
    seq: int | None = None


class Receipt(Shape):
    """What became of a request's records; `token` is what `Flowtrail-After` takes."""

    accepted: int
    rejected: list[Rejected]
    durable: Literal["disk", "majority", "none"]
    token: str | None


class Problem(msgspec.Struct):
    """Why a request was refused (RFC 9457). `code` is stable; some codes add members of their own."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | None
    received: str | None
    allowed: str | None


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


class Standings(Shape):
    """Transactions by status."""

    total: int
    in_transit: int
    delivered: int
    failed: int
    filtered: int
    cancelled: int


class FlowShown(Shape):
    """A flow; null holds the transactions that nobody announced yet."""

    flow: str | None
    declared: bool
    versions: list[str]
    object_types: list[str]
    transactions: Standings


class Flows(Shape):
    """What runs."""

    at: str
    flows: list[FlowShown]


class ExecutionCounts(Shape):
    """Executions. `query` lists those that arrived, `queries` those of each other count; null where no query can."""

    arrivals: int
    succeeded: int
    failed: int
    skipped: int
    retries: int
    arrivals_per_s: float | None
    query: str | None
    queries: dict[str, str]


class TransactionCounts(Shape):
    """Transactions, as `ExecutionCounts`; grouped by status there are arrivals alone."""

    arrivals: int
    arrivals_per_s: float | None
    query: str | None
    queries: dict[str, str]
    delivered: int | msgspec.UnsetType = msgspec.UNSET
    failed: int | msgspec.UnsetType = msgspec.UNSET
    filtered: int | msgspec.UnsetType = msgspec.UNSET
    cancelled: int | msgspec.UnsetType = msgspec.UNSET
    retries: int | msgspec.UnsetType = msgspec.UNSET


class Times(Shape):
    """Seconds: nearest-rank percentiles, within 2.2 % from cells; `min` and `max` come from rows only."""

    n: int
    sum: float
    p50: float | None
    p95: float | None
    p99: float | None
    skewed: int
    min: float | msgspec.UnsetType | None = msgspec.UNSET
    max: float | msgspec.UnsetType | None = msgspec.UNSET


class Level(Shape):
    """How many at once: at the ends of the range, on average, and the time they took together."""

    at_start: int
    at_end: int
    average: float | None
    total_s: float


class Usage(Shape):
    """A usage's sum in its own unit, and how many executions told it."""

    n: int
    sum: float


class BlockDeclared(Shape):
    """A block as its flow declares it."""

    name: str
    stage: str | None
    workers: int | None


class Declaration(Shape):
    """The latest declared version of a flow."""

    version: str
    at: str
    stages: list[str]
    blocks: list[BlockDeclared]
    deadline_s: float | None


class FlowBlock(Shape):
    """A block of a flow's graph."""

    block: str
    stage: str | None
    declared: bool
    workers: int | None
    executions: ExecutionCounts
    wait_s: Times
    work_s: Times


class Edge(Shape, rename={"source": "from", "target": "to"}):
    """How often an execution of one block was followed by one of another, and after how long."""

    source: str
    target: str
    count: int
    time_s: Times


class Flow(Shape, rename={"since": "from", "until": "to"}):
    """A flow as a graph."""

    flow: str
    versions: list[str]
    declared: Declaration | None
    since: str
    until: str
    transactions: TransactionCounts
    duration_s: Times
    blocks: list[FlowBlock]
    edges: list[Edge]


class Bucket(Shape, rename={"since": "from", "until": "to"}):
    """One group in one bucket of time: of executions, of transactions, or both."""

    since: str
    until: str
    group: dict[str, str | None]
    executions: ExecutionCounts | msgspec.UnsetType = msgspec.UNSET
    wait_s: Times | msgspec.UnsetType = msgspec.UNSET
    work_s: Times | msgspec.UnsetType = msgspec.UNSET
    waiting: Level | msgspec.UnsetType = msgspec.UNSET
    working: Level | msgspec.UnsetType = msgspec.UNSET
    usage: dict[str, Usage] | msgspec.UnsetType = msgspec.UNSET
    transactions: TransactionCounts | msgspec.UnsetType = msgspec.UNSET
    duration_s: Times | msgspec.UnsetType = msgspec.UNSET
    in_transit: Level | msgspec.UnsetType = msgspec.UNSET


class Statistics(Shape, rename={"since": "from", "until": "to"}):
    """Buckets in which something happened. `complete` is false where a scan took too long to see all."""

    since: str | None
    until: str | None
    step: str | None
    group_by: list[str]
    source: Literal["cells", "scan"]
    complete: bool
    buckets: list[Bucket]
