"""What an answer means for the records it is about: pure, so that any answer at all can be tried.

Nothing is believed that does not add up: an answer that settles records names every one of them.
"""

import math
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from flowtrail.model.clock import MICROS, now_us

MAX_WAIT_S: Final = 300.0
"""What a server may ask for; who asks for more is asked again after this."""
MAX_CODE_CHARS: Final = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, of bounded size."""

    status: int
    body: bytes | bytearray
    retry_after: str | None = None
    is_whole: bool = True
    """Whether this is all that came: not more than is read of an answer."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Every record was accepted, but for those at these places, which were refused with these codes."""

    rejected: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Divide:
    """It is too much at once, or one record spoils it: send less; a single record is refused with this code."""

    code: str


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing is settled; send the same again. `wait_s` is what the server asked for. `in_halves`: an answer about
    fewer records may be one that can be read."""

    why: str
    wait_s: float | None = None
    in_halves: bool = False


@dataclass(frozen=True, slots=True)
class Uncompressed:
    """The server does not read this coding: send the same as it is."""


Verdict = Settled | Divide | Later | Uncompressed


class _Rejected(msgspec.Struct):
    index: int
    code: str


class _Receipt(msgspec.Struct):
    accepted: int
    rejected: list[_Rejected]


class _Problem(msgspec.Struct):
    code: str
    rejected: list[_Rejected] | None = None


_receipt: Final = msgspec.json.Decoder(_Receipt).decode
_problem: Final = msgspec.json.Decoder(_Problem).decode


def judge(answer: Answer, records: int, *, compressed: bool) -> Verdict:
    """What an answer to that many records means."""
    if not answer.is_whole:
        return Later("the answer is longer than it may be", in_halves=records > 1)
    if answer.status == 200:
        return _of_receipt(answer, records)
    problem = _read_problem(answer)
    if answer.status == 400 and problem is not None:
        if problem.rejected and (codes := _codes(problem.rejected, records)) and len(codes) == records:
            return Settled(codes)
        if problem.rejected is None:
            return Divide(_code(problem.code))
    if answer.status == 413:
        return Divide(_code(problem.code) if problem else "body_too_large")
    if answer.status == 415 and compressed:
        return Uncompressed()
    said = f" ({_code(problem.code)})" if problem else ""
    return Later(f"the server answered {answer.status}{said}", read_retry_after(answer.retry_after))


def _of_receipt(answer: Answer, records: int) -> Verdict:
    try:
        receipt = _receipt(answer.body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return Later("what answered is no Flowtrail server")
    codes = _codes(receipt.rejected, records)
    if codes is None or receipt.accepted + len(codes) != records:
        return Later("what answered does not add up")
    return Settled(codes)


def _codes(rejected: list[_Rejected], records: int) -> dict[int, str] | None:
    codes = {each.index: _code(each.code) for each in rejected}
    whole = len(codes) == len(rejected) and all(0 <= index < records for index in codes)
    return codes if whole else None


def _read_problem(answer: Answer) -> _Problem | None:
    try:
        return _problem(answer.body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def _code(code: str) -> str:
    kept = "".join(each for each in code if each.isascii() and (each.isalnum() or each == "_"))
    return kept[:MAX_CODE_CHARS] or "refused"


def read_retry_after(text: str | None) -> float | None:
    """Seconds to wait, at most `MAX_WAIT_S`: a number, or a date of HTTP. None: it says nothing that can be meant."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), MAX_WAIT_S))
    try:
        seconds = parsedate_to_datetime(text).timestamp() - now_us() / MICROS
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), MAX_WAIT_S) if math.isfinite(seconds) else None
