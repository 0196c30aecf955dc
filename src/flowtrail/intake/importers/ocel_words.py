"""How the activities and types of object-centric logs are understood, whatever the file they stand in."""

from typing import Final

FAILED: Final = frozenset({"failed delivery", "item out of stock"})
ENDS: Final = {"pay order": "delivered", "create package": "delivered", "package delivered": "delivered"}
_INGRESS: Final = frozenset({"place order"})
_EGRESS: Final = frozenset({"pay order", "send package", "failed delivery", "package delivered"})


def stage_of(activity: str) -> str:
    """Where in a flow an activity belongs."""
    return "ingress" if activity in _INGRESS else "egress" if activity in _EGRESS else "processing"


def singular(name: str) -> str:
    """The type of one object, as logs name the type of many."""
    return name.removesuffix("s") or name
