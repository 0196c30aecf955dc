"""Items as the producer's side puts them, with what a test wants to know of them."""

from typing import Any


class Told:
    """An item whose record is given."""

    __slots__ = ("asked", "cost", "record_", "taken")

    def __init__(self, cost: int = 100, **record: Any) -> None:
        self.cost = cost
        self.taken = False
        self.asked = 0
        self.record_ = {"kind": "transaction"} | record

    def record(self) -> dict[str, Any]:
        self.taken = True
        self.asked += 1
        return self.record_


def announced(number: int, cost: int = 300) -> Told:
    """An order's announcement."""
    return Told(
        cost,
        id=f"{number + 1:032x}",
        flow="shop-to-erp",
        object_type="order",
        object_id=str(number),
        created_at=1_764_000_000_000_000,
    )
