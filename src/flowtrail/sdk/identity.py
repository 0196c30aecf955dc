"""Who a transaction is: everything of it that does not change while it runs."""

from typing import Any

import msgspec

from flowtrail.sdk.tracecontext import Carried


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """`facts` is what its announcement says besides; `remote_parent` the execution elsewhere its blocks run in.

    `is_known` is False where headers named no transaction: then nothing is recorded. `is_announced` where another
    process has announced it. `ends_here` where leaving ends it.
    """

    id: str
    flow: str
    object_type: str | None
    object_id: str | None
    version: str | None = None
    attempt: int = 1
    trace: str | None = None
    hidden: frozenset[str] = frozenset()
    facts: dict[str, Any] = {}
    facts_cost: int = 0
    remote_parent: str | None = None
    is_known: bool = True
    is_announced: bool = False
    ends_here: bool = True
    carried: Carried = msgspec.field(default_factory=Carried)


class Outcome(msgspec.Struct):
    """What leaving will say; None where nothing was decided."""

    name: str | None = None
    reason: str | None = None
    predicate: str | None = None
