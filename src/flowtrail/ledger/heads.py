"""HEAD: one hash that stands for everything a tenant's journal holds.

Whoever keeps a HEAD elsewhere can later have it proven that what stood in the journal then still stands there.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final

from flowtrail.ledger.pages import NamedHead, read_header
from flowtrail.model.errors import Damaged
from flowtrail.model.pages import page_number
from flowtrail.storage.interface import Head, Journal, Position

_TAG: Final = b"flowtrail/head/1"


def reached(heads: Iterable[Head]) -> Position:
    """The position at which a journal with these heads ends."""
    return {head.writer.ordinal: head.sequence for head in heads}


class HeadHash:
    """A HEAD in the making: heads are added by ascending ordinal, and `copy` keeps what all continuations share.

    So a verifier that looks for an old HEAD hashes the heads of ended writers once, and for each page of the one
    that was writing then only its own.
    """

    __slots__ = ("_digest",)

    def __init__(self, tenant: str) -> None:
        self._digest = sha256(_TAG)
        self._part(tenant.encode())

    def _part(self, raw: bytes) -> None:
        self._digest.update(len(raw).to_bytes(4, "big"))
        self._digest.update(raw)

    def add(self, head: Head) -> None:
        """One more head; those that stand at 0 add nothing."""
        if head.sequence:
            self._digest.update(head.writer.ordinal.to_bytes(8, "big"))
            self._part(head.writer.name.encode())
            self._digest.update(head.sequence.to_bytes(8, "big"))
            self._digest.update(head.hash)

    def copy(self) -> "HeadHash":
        """The same so far, to be continued apart from this one."""
        other = HeadHash.__new__(HeadHash)
        other._digest = self._digest.copy()  # noqa: SLF001 -- its own kind
        return other

    def hex(self) -> str:
        """The HEAD over what was added, in lower-case hex."""
        return self._digest.hexdigest()


def head_of(tenant: str, heads: Iterable[Head]) -> str:
    """The tenant's HEAD in lower-case hex, over `heads` of that tenant in whatever order.

    Other tenants' heads, and writers without a page, do not count: starting a server changes no HEAD.
    """
    digest = HeadHash(tenant)
    for head in sorted(heads, key=_ordinal):
        if head.writer.tenant == tenant:
            digest.add(head)
    return digest.hex()


def _ordinal(head: Head) -> Any:
    return head.writer.ordinal


def unnamed_heads(journal: Journal, tenant: str, heads: Sequence[Head] | None = None) -> list[NamedHead]:
    """The last pages of the tenant's writers that no writer's first page names, by ordinal.

    Reads the first page of each of the tenant's writers: for once in a writer's life. One whose header cannot be read
    names nobody: that a page is named twice is harmless, that nothing is taken any more because of an old page is not.
    Raises: StoreError.
    """
    own = [
        head
        for head in (journal.heads() if heads is None else heads)
        if head.writer.tenant == tenant and head.sequence
    ]
    named: set[NamedHead] = set()
    for head in own:
        first = journal.page(page_number(head.writer.ordinal, 1))
        if first is not None:
            with suppress(Damaged):
                named.update(read_header(first).named)
    last = (NamedHead(head.writer.ordinal, head.sequence, head.hash) for head in own)
    return sorted(head for head in last if head not in named)
