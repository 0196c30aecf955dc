"""Raw parameters of a question, checked: what is out of range is refused with what is allowed."""

from typing import Final, Literal, cast, get_args

from flowtrail.model.conditions import SortKey
from flowtrail.model.errors import Refusal
from flowtrail.model.instants import parse_instant
from flowtrail.model.limits import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE

Count = Literal["exact", "none"]

_SORTS: Final = get_args(SortKey)
_ID_CHARS: Final = 32


def read_id(text: str) -> bytes:
    """A transaction's id. Raises: Refusal (400 `invalid_id`)."""
    if len(text) == _ID_CHARS and all(character in "0123456789abcdef" for character in text):
        return bytes.fromhex(text)
    raise Refusal(
        "invalid_id", "a transaction's id is 32 lower-case hex digits", "id", text, "32 lower-case hex digits"
    )


def read_page_size(text: str | None) -> int:
    """How many rows a page may hold. Raises: Refusal (400 `out_of_range`)."""
    if text is None:
        return DEFAULT_PAGE_SIZE
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_PAGE_SIZE):
        raise Refusal(
            "out_of_range",
            f"page_size is a whole number from 1 to {MAX_PAGE_SIZE}",
            "page_size",
            text,
            f"1 to {MAX_PAGE_SIZE}",
        )
    return int(text)


def read_bound(text: str | None, name: str) -> int | None:
    """One end of a range; None when absent. Raises: Refusal (as `model.instants.parse_instant`)."""
    if text is None or not text:
        return None
    whole = text.isascii() and text.isdigit() and len(text) < 20
    return parse_instant(int(text) if whole else text, name)


def read_range(from_: str | None, to: str | None) -> tuple[int | None, int | None]:
    """[from, to). Raises: Refusal (400; `invalid_range` when it ends before it begins)."""
    since, until = read_bound(from_, "from"), read_bound(to, "to")
    if since is not None and until is not None and since > until:
        raise Refusal("invalid_range", "the range ends before it begins", "to", to, f"not before {from_}")
    return since, until


def read_sort(text: str | None) -> SortKey:
    """What a list is ordered by. Raises: Refusal (400 `out_of_range`)."""
    return cast("SortKey", _one_of(text or "opened", _SORTS, "sort"))


def read_count(text: str | None) -> Count | None:
    """How a total is wanted. Raises: Refusal (400 `out_of_range`)."""
    return cast("Count", _one_of(text, get_args(Count), "count")) if text else None


def _one_of(text: str, allowed: tuple[str, ...], name: str) -> str:
    if text in allowed:
        return text
    listed = ", ".join(allowed)
    raise Refusal("out_of_range", f"{name} is one of {listed}", name, text, listed)
