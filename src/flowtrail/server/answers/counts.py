"""Flows and statistics."""

from typing import Literal

import msgspec

from flowtrail.server.answers.shape import Shape


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
