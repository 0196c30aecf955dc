"""The instants of a whole batch at once: texts stand below each other, and a column is one digit of all of them.

A scalar reading costs 0.2 µs an instant and there are two to three in a record; this costs 0.05. It reads the one
form that producers write, `2026-11-23T10:00:00.000120Z`, after the other usual ones have been brought to it; what
is left goes to `model.instants`, which decides.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from flowtrail.model.errors import Refusal
from flowtrail.model.instants import parse_instant
from flowtrail.model.limits import NEWEST_INSTANT_US, OLDEST_INSTANT_US

Instants = npt.NDArray[np.int64]

REFUSED: Final = 0
"""Stands for an instant that is none; no allowed one is 1970."""

_FORM: Final = b"2000-00-00T00:00:00.000000Z\n"
_ABOVE: Final = bytes.fromhex("00010909 00 0109 00 0309 00 0209 00 0509 00 0509 00 090909090909 0000")
"""How far above `_FORM` each character may be: the years 2000 to 2199, and nothing where the form has no digit.
The line end keeps the rows apart: as many rows as texts, each ending in the only one it holds, are these texts."""
_WIDTH: Final = len(_FORM)
_NO_INSTANT: Final = "-" * (_WIDTH - 1)
_FEW: Final = 16
"""Below this many texts the fixed cost of the columns, 30 µs, exceeds reading them one by one."""
_DAY_US: Final = 86_400_000_000
_MONTHS: Final = 20
_DAYS: Final = 40
# As many as two digits can say once their tens are bounded by `_ABOVE`.
_OFFSET_FORMS: Final = {25: ".000000Z", 29: "000Z", 32: "Z"}
"""What a text of that length, with an offset of six characters, lacks without it."""
_OFFSETS: Final = {
    f"{sign}{hour:02}:{minute:02}": (1 if sign == "+" else -1) * (hour * 60 + minute) * 60_000_000
    for sign in "+-"
    for hour in range(15)
    for minute in (0, 15, 30, 45)
}
"""Those that the world uses; others are read one by one."""


def _weights() -> npt.NDArray[np.float64]:
    """What each digit adds to the place in `_days_us`, and to the microseconds since midnight."""
    weights = np.zeros((_WIDTH, 2))
    for first, digits, each, column in (
        (0, 4, _MONTHS * _DAYS, 0),
        (5, 2, _DAYS, 0),
        (8, 2, 1, 0),
        (11, 2, 3_600_000_000, 1),
        (14, 2, 60_000_000, 1),
        (17, 2, 1_000_000, 1),
        (20, 6, 1, 1),
    ):
        for place in range(digits):
            weights[first + place, column] = each * 10 ** (digits - 1 - place)
    return weights


def _days_us() -> npt.NDArray[np.int64]:
    """The first instant of every day from 2000 to 2199 by year, month and day; -1 where there is no such day."""
    table = np.full((200, _MONTHS, _DAYS), -1, dtype=np.int64)
    days = np.arange(np.datetime64("2000-01-01"), np.datetime64("2200-01-01"))
    months = days.astype("datetime64[M]")
    years = days.astype("datetime64[Y]")
    table[
        years.astype(np.int64) - 30,
        (months - years.astype("datetime64[M]")).astype(np.int64) + 1,
        (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
    ] = days.astype("datetime64[us]").astype(np.int64)
    return table.reshape(-1)


_FORM_ROW: Final = np.frombuffer(_FORM, np.uint8)
_ABOVE_ROW: Final = np.frombuffer(_ABOVE, np.uint8)
_WEIGHTS: Final = _weights()
_DAY_STARTS: Final = _days_us()


def read_instants(texts: Sequence[str]) -> Instants:
    """Microseconds since the epoch of each text, in their order; `REFUSED` for what `parse_instant` refuses.

    Raises: TypeError when something else than text is among them.
    """
    if len(texts) < _FEW:
        return np.array([_read_one(text) for text in texts], np.int64)
    joined = "\n".join(texts) + "\n"
    offsets: dict[int, int] = {}
    if len(joined) != _WIDTH * len(texts) or not joined.isascii():
        joined = "\n".join(_usual(texts, offsets)) + "\n"
    # Bytes below the form wrap around and exceed what is allowed above it.
    digits = np.frombuffer(joined.encode(), np.uint8).reshape(-1, _WIDTH) - _FORM_ROW
    fits = digits <= _ABOVE_ROW
    if not fits.all():
        digits[~fits.all(axis=1)] = 0  # month 0, which has no day
    # Exact: every sum is an integer below 2^53.
    places = digits @ _WEIGHTS
    starts = _DAY_STARTS[places[:, 0].astype(np.intp)]
    times = places[:, 1].astype(np.int64)
    found: Instants = starts + times
    refused = (starts < 0) | (times >= _DAY_US)
    if refused.any():
        for index in np.flatnonzero(refused).tolist():
            offsets.pop(index, None)
            found[index] = _read_one(texts[index])
    for index, offset in offsets.items():
        us = int(found[index]) - offset
        found[index] = us if OLDEST_INSTANT_US <= us < NEWEST_INSTANT_US else REFUSED
    return found


def _usual(texts: Sequence[str], offsets: dict[int, int]) -> list[str]:
    """The other usual forms brought to the one that is read in columns; what is none of them to what is no instant.

    The offsets from UTC that were taken away go to `offsets`, by the text's position.
    """
    brought: list[str] = []
    for index, text in enumerate(texts):
        chars = len(text)
        if not text.isascii():
            brought.append(_NO_INSTANT)
        elif chars == 27:
            brought.append(text)
        elif chars == 24 and text[23] == "Z":
            brought.append(text[:23] + "000Z")
        elif chars == 20 and text[19] == "Z":
            brought.append(text[:19] + ".000000Z")
        elif chars in _OFFSET_FORMS and (offset := _OFFSETS.get(text[-6:])) is not None:
            brought.append(text[:-6] + _OFFSET_FORMS[chars])
            if offset:
                offsets[index] = offset
        else:
            brought.append(_NO_INSTANT)
    return brought


def _read_one(text: str) -> int:
    if not isinstance(text, str):
        raise TypeError
    try:
        return parse_instant(text, None)
    except Refusal:
        return REFUSED
