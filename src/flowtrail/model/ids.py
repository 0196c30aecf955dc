"""Identifiers, and the one door for randomness.

A transaction id is 16 bytes, an execution id 8 bytes; on the wire both are lower-case hex and never all zero.
Inside, ids are `bytes`: half the size, and they sort like their hex.
"""

import hashlib
import secrets
from collections.abc import Callable
from itertools import count
from typing import Final, NewType

from flowtrail.model.clock import now_us

TransactionId = NewType("TransactionId", bytes)
ExecutionId = NewType("ExecutionId", bytes)

TRANSACTION_ID_BYTES: Final = 16
EXECUTION_ID_BYTES: Final = 8


def random_bytes(size: int) -> bytes:
    """Unpredictable bytes, for writer ids, page secrets and generations."""
    return secrets.token_bytes(size)


def new_transaction_id() -> TransactionId:
    """A UUIDv7 (RFC 9562): sorts by the millisecond it was made in, so that indexes grow at their end."""
    stamp = (now_us() // 1_000) & ((1 << 48) - 1)
    noise = int.from_bytes(random_bytes(10), "big")
    value = stamp << 80 | 0x7 << 76 | (noise >> 68 & 0xFFF) << 64 | 0x2 << 62 | (noise & ((1 << 62) - 1))
    return TransactionId(value.to_bytes(TRANSACTION_ID_BYTES, "big"))


class ExecutionNumbers:
    """Ids of executions for whoever needs very many: counted up from a random start, one call in C each.

    No two processes count through the same numbers, if `renew` is called after a fork.
    """

    __slots__ = ("next",)

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Count from another random start."""
        self.next: Callable[[], int] = count(
            int.from_bytes(random_bytes(EXECUTION_ID_BYTES), "big") >> 1 | 1
        ).__next__


def derived_transaction_id(
    tenant: str, source: str, case: str, flow: str, object_type: str, object_id: str
) -> TransactionId:
    """The id of an object's way through a flow as a foreign log tells it.

    The first 16 bytes of SHA-256 over the six parts, each preceded by its length in UTF-8 bytes as four
    big-endian bytes, so that ("ab", "c") and ("a", "bc") differ. The same log imported again gives the same ids.
    """
    return TransactionId(_digest(tenant, source, case, flow, object_type, object_id)[:TRANSACTION_ID_BYTES])


def derived_execution_id(*parts: str) -> ExecutionId:
    """The id of an execution that a foreign system names by these parts: the first 8 bytes of the digest that
    `derived_transaction_id` is made of, never all zero. Told again, it is the same execution."""
    digest = _digest(*parts)[:EXECUTION_ID_BYTES]
    return ExecutionId(digest if any(digest) else b"\1" * EXECUTION_ID_BYTES)


def _digest(*parts: str) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "big"))
        digest.update(raw)
    return digest.digest()
