"""What an export of ours carries in a log of another format: the statements themselves, beside what other tools read.

They are handed on as they stand; the server judges each. What else such an element says is for others.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from flowtrail.intake.importers.problems import Unreadable
from flowtrail.model.exchange import STATEMENTS

_decode: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def carried_statements(text: str) -> Iterator[bytes]:
    """The records of such an attribute. Raises: Unreadable, before the first one."""
    try:
        records = _decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        raise Unreadable(
            STATEMENTS, "this is no JSON array of records", text, "what an export wrote"
        ) from None
    # A record that spans lines would be several.
    yield from (bytes(record).replace(b"\n", b" ").replace(b"\r", b" ") for record in records)
