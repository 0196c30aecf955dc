"""Names for people that no two transactions share, without holding them all.

Tools take what has the same name for the same case, but an object may go through many flows, and through one again.
What was given is remembered in a Bloom filter: of constant size, and where it errs a name is only longer than it need
be.
"""

from hashlib import blake2b
from typing import Final

BITS: Final = 1 << 25
"""4 MiB: at a million names one in six thousand is longer than it need be."""
_PROBES: Final = 4


class Names:
    """The names of one document, in the order they are given."""

    def __init__(self) -> None:
        self._given = bytearray(BITS // 8)

    def given(self, object_id: str, id: bytes) -> str:
        """The object's id where nobody is called so yet, else with the transaction's id behind; that alone where no
        object is known."""
        if not object_id:
            return id.hex()
        return object_id if self._is_new(object_id) else f"{object_id} {id.hex()}"

    def _is_new(self, name: str) -> bool:
        digest = blake2b(name.encode(), digest_size=4 * _PROBES).digest()
        is_new = False
        for first in range(0, len(digest), 4):
            place = int.from_bytes(digest[first : first + 4], "big") % BITS
            bit = 1 << (place & 7)
            is_new = is_new or not self._given[place >> 3] & bit
            self._given[place >> 3] |= bit
        return is_new
