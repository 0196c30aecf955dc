"""How the activities and types of object-centric logs are understood, whatever the file they stand in."""

from typing import Final

FAILED: Final = frozenset({"failed delivery", "item out of stock"})
ENDS: Final = {"pay order": "delivered", "create package": "delivered", "package delivered": "delivered"}
_INGRESS: Final = frozenset({"place order"})
_EGRESS: Final = frozenset({"pay order", "send package", "failed delivery", "package delivered"})


def stage_of(activity: str) -> str:
    """Where in a flow an activity belongs."""
    return "ingress" if activity in _INGRESS else "egress" if activity in _EGRESS else "processing"


_ONE: Final = ("ss", "us", "is", "as", "'s", "news", "series", "species", "lens", "gps", "sms")
"""How words end that are no plural."""
_ENDINGS: Final = (
    ("movies", 1, ""),
    ("cookies", 1, ""),
    ("ies", 3, "y"),
    ("caches", 1, ""),
    ("ches", 2, ""),
    ("shes", 2, ""),
    ("sses", 2, ""),
    ("xes", 2, ""),
    ("ouses", 1, ""),
    ("auses", 1, ""),
    ("uses", 2, ""),
    ("s", 1, ""),
)
"""(how many end, how many letters go, what comes in their place); the first that fits."""


def singular(name: str) -> str:
    """The type of one object, as logs name the type of many; a word that is no plural as it is."""
    lowered = name.casefold()
    if len(name) < 3 or not name.endswith("s"):
        return name
    if name[-2].isupper():
        return name[:-1]
    if lowered.endswith(_ONE):
        return name
    gone, instead = next((gone, instead) for ending, gone, instead in _ENDINGS if lowered.endswith(ending))
    return name[:-gone] + instead
