"""What is put into the outbox beside blocks: one statement, one record.

Everything in it is frozen already; what is left for the delivery thread is to make it fit for the wire.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from flowtrail.sdk import marks
from flowtrail.sdk.parcels import MOST_BYTES
from flowtrail.sdk.producer import producer
from flowtrail.sdk.values import CUT, cut_text, tidy

STATEMENT_BYTES: Final = 700
"""What a statement holds in memory with ids and instants, before its values."""

_SURELY_FITS_BYTES: Final = 32_768
"""A record estimated to hold less than this in memory is below 256 KiB on the wire, even if all of it is escaped."""
_STEPS: Final = ((4_096, 64), (512, 16), (64, 4))
"""Ever smaller bounds of texts and lists, until the record fits."""


class Statement(msgspec.Struct, gc=False):
    """A record as it is put: `fields` as on the wire, instants in microseconds, values frozen, None for absent."""

    fields: dict[str, Any]
    of: Any
    cost: int = STATEMENT_BYTES
    taken: bool = False

    def record(self) -> dict[str, Any]:
        """The record as it leaves. Never raises."""
        self.taken = True
        fields = {name: tidy(value) for name, value in self.fields.items() if value is not None}
        return finished(fields, self.of, self.cost)


def finished(record: dict[str, Any], of: Any, cost: int) -> dict[str, Any]:
    """The record after redaction, within the size of one. Never raises. `of` has `flow`, and `hidden`: names that
    the host said to redact."""
    record = producer.finish(record, of.flow, of.hidden, cost)
    if cost <= _SURELY_FITS_BYTES:
        return record
    whole = record
    for texts, entries in _STEPS:
        if _fits(record):
            return record
        # Each time from the whole, so that marks tell what there was.
        record = {
            name: _SHORTENED.get(name, _as_it_is)(value, texts, entries) for name, value in whole.items()
        }
    if not _fits(record):
        for name in _SHORTENED.keys() & record.keys():
            del record[name]
        if "block" in record:
            record["details"] = {CUT: "[cut: too large for a record]"}
    return record


def _fits(record: dict[str, Any]) -> bool:
    try:
        return len(msgspec.json.encode(record)) <= MOST_BYTES
    except Exception:  # noqa: BLE001 -- what cannot be encoded does not fit
        return False


def _as_it_is(value: Any, _texts: int, _entries: int) -> Any:
    return value


def _shorten(value: Any, texts: int, entries: int) -> Any:
    if type(value) is str:
        return cut_text(value, texts)
    if type(value) is dict:
        return {name: _shorten(each, texts, entries) for name, each in value.items()}
    if type(value) is list:
        kept = [_shorten(each, texts, entries) for each in value[:entries]]
        return kept if len(kept) == len(value) else [*kept, f"{CUT}[cut: {len(value) - len(kept)} more]"]
    return value


def _shorten_exceptions(exceptions: list[dict[str, Any]], texts: int, entries: int) -> list[dict[str, Any]]:
    # No mark in place of an exception: its type would be searched for.
    marks.count(marks.CUT, max(len(exceptions) - entries, 0))
    return [_shorten_exception(each, texts, entries) for each in exceptions[:entries]]


def _shorten_exception(exception: dict[str, Any], texts: int, entries: int) -> dict[str, Any]:
    kept: dict[str, Any] = {
        name: cut_text(each, texts) if type(each) is str else each for name, each in exception.items()
    }
    if "frames" in kept:
        frames = [_shorten(frame, texts, entries) for frame in kept["frames"][-entries:]]
        if lost := len(kept["frames"]) - len(frames):
            marks.count(marks.CUT)
            frames.insert(0, {"function": f"{CUT}[cut: {lost} frames]"})
        kept["frames"] = frames
    if "cause" in kept:
        kept["cause"] = _shorten_exception(exception["cause"], texts, entries)
    return kept


_SHORTENED: Final[dict[str, Callable[[Any, int, int], Any]]] = {
    "attributes": _shorten,
    "details": _shorten,
    "exceptions": _shorten_exceptions,
    "skip": lambda skip, texts, entries: {**_shorten(skip, texts, entries), "predicate": skip["predicate"]},
}
"""What of a record has no small bound of its own, and how it is shortened."""
