"""The fingerprint of a failure: failures with the same one are one problem.

What identifies a problem is where and what, never the data: the block, the chain of exception types, and the
innermost frames of the application; without frames, the message with everything that varies taken out.
"""

import hashlib
import re
from typing import Final

from flowtrail.model.records import BlockRecord, ExceptionInfo

FINGERPRINT_CHARS: Final = 16
_FRAMES: Final = 5
"""Innermost application frames that count: deeper ones are callers, shared by unrelated failures."""

_NUMBERS: Final = r"""\b0x[0-9a-fA-F]+|\b[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,}){0,4}\b|\d+(?:[.:,]\d+)*"""
_QUOTED: Final = r"""'[^']*'|"[^"]*\""""
_VARYING: Final = re.compile(rf"{_QUOTED}|<[^>]*(?:>|\Z)|{_NUMBERS}")
"""Of what begins with an angle that nobody closes, all is taken at once: looked for behind each such angle, the end of a
long text of them would be reached after minutes."""
_VARYING_OPEN: Final = re.compile(rf"{_QUOTED}|{_NUMBERS}")
"""The same behind an angle that nobody closes: none that follows is closed either."""


def fingerprint(record: BlockRecord) -> str:
    """Sixteen hex digits; equal for failures that are the same problem. `record` is a failed execution, merged."""
    parts = [record.block]
    for exception in record.exceptions or ():
        held: ExceptionInfo | None = exception
        while held is not None:
            parts.append(f"{held.module or ''}.{held.kind}")
            parts.extend(_place(held))
            held = held.cause
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:FINGERPRINT_CHARS]


def _place(exception: ExceptionInfo) -> list[str]:
    frames = exception.frames or ()
    own = [frame for frame in frames if frame.in_app] or list(frames)
    if own:
        return [f"{frame.module or frame.file}:{frame.function}" for frame in own[-_FRAMES:]]
    return [_VARYING.sub(_constant, exception.message or "")]


def _constant(found: re.Match[str]) -> str:
    """What stands for something that varies."""
    text = found.group()
    if text[0] == "<" and text[-1] != ">":
        return f"<{_VARYING_OPEN.sub('*', text[1:])}"
    return "*"
