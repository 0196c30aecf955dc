"""The statuses of transactions and executions, and their order.

Inside, an execution's status is its rank: a later rank beats an earlier one whatever the instants say.
"""

from typing import Final, Literal

TransactionStatus = Literal["in_transit", "delivered", "failed", "filtered", "cancelled"]
ExecutionStatus = Literal["pending", "running", "succeeded", "failed", "skipped"]
Outcome = Literal["delivered", "failed", "filtered", "cancelled"]
Relation = Literal["split", "merge", "clone", "derive", "retry"]

TRANSACTION_STATUSES: Final = ("in_transit", "delivered", "failed", "filtered", "cancelled")
EXECUTION_STATUSES: Final = ("pending", "running", "succeeded", "failed", "skipped")
OUTCOMES: Final = TRANSACTION_STATUSES[1:]
RELATIONS: Final = ("split", "merge", "clone", "derive", "retry")

FINAL_EXECUTION_STATUSES: Final = frozenset({"succeeded", "failed", "skipped"})
RANK: Final = {None: 0, "pending": 1, "running": 2, "succeeded": 3, "failed": 3, "skipped": 3}
"""Every final status has the same rank: between two of them the later statement wins."""
