"""Verifying pages, and the chain they make: pure, every finding said in words, nothing stops at the first."""

from collections.abc import Iterable, Iterator

from flowtrail.ledger.merkle import root_of
from flowtrail.ledger.pages import leaves, page_hash, read_header
from flowtrail.model.errors import Damaged, counted
from flowtrail.model.pages import Page, Writer, page_number
from flowtrail.storage.interface import Head


def page_problems(page: Page) -> list[str]:
    """What is wrong with a page by itself; empty when its records and header are what its hash was made of."""
    try:
        header = read_header(page)
        hashed = leaves(page)
    except Damaged as error:
        return [str(error)]
    problems = []
    if len(hashed) != header.count:
        problems.append(
            f"page {page.number}: holds {counted(len(hashed), 'records')}, its header says {header.count}"
        )
    if page_hash(page.previous, page.header, root_of(hashed)) != page.hash:
        problems.append(f"page {page.number}: header or records do not match its hash")
    return problems


class ChainVerifier:
    """Follows one writer's chain, page by page from the first. `head` is how far it came."""

    def __init__(self, writer: Writer) -> None:
        self.head = Head(writer, 0, b"")

    def follow(self, page: Page) -> list[str]:
        """What is wrong with the writer's next page, by itself and as a link of the chain. Goes on from the page
        as it stands, so that one break is told once."""
        problems = page_problems(page)
        writer, sequence = self.head.writer, self.head.sequence + 1
        if page.number != page_number(writer.ordinal, sequence):
            problems.append(
                f"page {page.number}: stands where page {page_number(writer.ordinal, sequence)} should"
            )
        if page.previous != self.head.hash:
            problems.append(f"page {page.number}: does not follow the page before it")
        problems.extend(self._contradictions(page))
        _, sequence = divmod(page.number, page_number(1, 0))
        self.head = Head(writer, sequence, page.hash)
        return problems

    def _contradictions(self, page: Page) -> Iterator[str]:
        try:
            header = read_header(page)
        except Damaged:
            return  # told already
        writer = self.head.writer
        if (header.tenant, header.writer) != (writer.tenant, writer.name):
            yield (
                f"page {page.number}: says it is of {header.tenant!r} by {header.writer!r},"
                f" but stands with {writer.tenant!r} by {writer.name!r}"
            )
        if page_number(writer.ordinal, header.sequence) != page.number:
            yield f"page {page.number}: says it is number {header.sequence} of its writer"


def chain_problems(writer: Writer, pages: Iterable[Page]) -> Iterator[str]:
    """Everything wrong with a writer's pages, read from the first on."""
    verifier = ChainVerifier(writer)
    for page in pages:
        yield from verifier.follow(page)
