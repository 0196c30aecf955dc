"""The statuses of transactions and executions, outcomes and relations, as they are said on the wire."""

from typing import Final, Literal

TransactionStatus = Literal["in_transit", "delivered", "failed", "filtered", "cancelled"]
ExecutionStatus = Literal["pending", "running", "succeeded", "failed", "skipped"]
Outcome = Literal["delivered", "failed", "filtered", "cancelled"]
Relation = Literal["split", "merge", "clone", "derive", "retry"]

TRANSACTION_STATUSES: Final = ("in_transit", "delivered", "failed", "filtered", "cancelled")
EXECUTION_STATUSES: Final = ("pending", "running", "succeeded", "failed", "skipped")
OUTCOMES: Final = TRANSACTION_STATUSES[1:]
RELATIONS: Final = ("split", "merge", "clone", "derive", "retry")

FINAL: Final = frozenset({"succeeded", "failed", "skipped"})
"""The statuses of an execution that is over."""
