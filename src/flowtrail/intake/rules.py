"""What holds between the fields of a record, for the fast and the exact reading alike."""

import re
from typing import Final

from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_DECIMAL_CHARS, MAX_NAME_CHARS

PRODUCER: Final = re.compile(r".+/[^/]+", re.DOTALL)
DECIMAL: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
CURRENCY: Final = re.compile(r"[A-Z]{3}")


def is_producer(text: str) -> bool:
    """Whether the text is `name/session`; the session is what follows the last slash."""
    return len(text) <= MAX_NAME_CHARS and PRODUCER.fullmatch(text) is not None


def is_decimal(text: str) -> bool:
    """Whether the text is a decimal number without an exponent."""
    return len(text) <= MAX_DECIMAL_CHARS and DECIMAL.fullmatch(text) is not None


def is_currency(text: str) -> bool:
    """Whether the text has the form of an ISO 4217 code."""
    return CURRENCY.fullmatch(text) is not None


def settle_status(
    status: str | None,
    *,
    started: bool,
    ended: bool,
    queued: bool,
    exceptions: bool,
    skip: bool,
) -> str | None:
    """The status of an execution as far as the record says or implies it; the flags say which fields it has.

    Without one: a skip means skipped, exceptions failed, an end succeeded, a start running, and waiting pending.
    None: the record says nothing about it. Raises: Refusal (`contradiction`, `missing_field`).
    """
    if status is None:
        if skip:
            status = "skipped"
        elif exceptions:
            status = "failed"
        elif ended:
            status = "succeeded"
        elif started:
            status = "running"
        else:
            return "pending" if queued else None
    if skip and status != "skipped":
        raise Refusal(
            "contradiction", "only a skipped execution has a skip", "skip", status, "status skipped"
        )
    if status == "skipped" and not skip:
        raise Refusal(
            "missing_field",
            "a skipped execution says why, with the predicate that decided it",
            "skip",
            None,
            '{"predicate": …}',
        )
    if exceptions and status in {"skipped", "pending"}:
        raise Refusal(
            "contradiction", f"a {status} execution has no exceptions", "exceptions", status, "status failed"
        )
    if ended and status in {"pending", "running"}:
        raise Refusal(
            "contradiction",
            "an execution that has ended is not pending or running",
            "ended_at",
            status,
            "status succeeded, failed or skipped",
        )
    if started and status == "pending":
        raise Refusal(
            "contradiction",
            "an execution that has started is not pending",
            "started_at",
            status,
            "any other status",
        )
    return status
