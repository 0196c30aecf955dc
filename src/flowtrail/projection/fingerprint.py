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

_VARYING: Final = re.compile(
    r"""'[^']*'|"[^"]*"|<[^>]*>|\b0x[0-9a-fA-F]+|\b[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,}){0,4}\b|\d+(?:[.:,]\d+)*"""
)


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
    return [_VARYING.sub("*", exception.message or "")]
