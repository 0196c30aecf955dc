"""The journal's own proof: every writer's chain page by page, and HEADs that were kept elsewhere.

Pages are read once, in order; what they hold is handed on to whoever recounts it.
"""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from flowtrail.ledger.chain import ChainVerifier
from flowtrail.ledger.heads import HeadHash, head_of, unnamed_heads
from flowtrail.ledger.kept import Kept, kept_text
from flowtrail.ledger.pages import NamedHead, PageHeader, read_header, read_records
from flowtrail.ledger.report import Report, TenantHead, page_place
from flowtrail.ledger.runs import Runs
from flowtrail.model.errors import Damaged, counted
from flowtrail.model.pages import Page, is_place, page_number, split_number
from flowtrail.model.records import AnyRecord
from flowtrail.storage.interface import Head, Journal

Taker = Callable[[int, str, Sequence[AnyRecord | None], PageHeader | None, bool], None]
"""Told of each page: its number, tenant, records, header where it can be read, and whether it can be believed."""

_TELL_EVERY: Final = 50


class Audit:
    """Verifies one journal up to the heads it had at the start; pages that come meanwhile are not looked at."""

    def __init__(
        self, journal: Journal, report: Report, take: Taker, tell: Callable[[int, int], None] | None = None
    ) -> None:
        self._journal, self._report, self._take, self._tell = journal, report, take, tell
        self.heads = journal.heads()
        self._total = sum(head.sequence for head in self.heads)
        self._done = 0
        self._claims: list[tuple[str, NamedHead]] = []
        self._instants = Runs()
        """(tenant, received instant, ordinal, sequence) -> hash: the order in which pages came."""

    def run(self) -> None:
        """Verify every chain, and that what first pages name stands there."""
        counts = self._report.counts
        counts["writers"], counts["pages"], counts["records"] = len(self.heads), 0, 0
        for head in self.heads:
            self._chain(head)
        for place, named in self._claims:
            if self._hash_at(named) != named.hash:
                where = page_place(page_number(named.ordinal, named.sequence))
                self._report.find("journal", where, f"{place} names another page there, or it is gone")

    def close(self) -> None:
        """Give memory and temporary files back."""
        self._instants.close()

    def _chain(self, head: Head) -> None:
        verifier, latest = ChainVerifier(head.writer), 0
        for page in self._journal.iter_pages(head.writer.ordinal):
            sequence = split_number(page.number)[1]
            if sequence > head.sequence:
                break
            problems = verifier.follow(page)
            for problem in problems:
                self._report.find(
                    "journal", page_place(page.number), problem.removeprefix(f"page {page.number}: ")
                )
            header = self._hand_on(page, head.writer.tenant, believed=not problems)
            # A clock that was set back does not put a writer's pages in another order.
            latest = latest if header is None else max(latest, header.received_at)
            self._instants.add((head.writer.tenant, latest, head.writer.ordinal, sequence), page.hash, 100)
            self._progress()
        if (verifier.head.sequence, verifier.head.hash) != (head.sequence, head.hash):
            where = page_place(page_number(head.writer.ordinal, head.sequence))
            self._report.find("journal", where, "the head is not the last page of its chain")

    def _hand_on(self, page: Page, tenant: str, *, believed: bool) -> PageHeader | None:
        """Give a page's records to whoever recounts them; its header where it can be read."""
        header: PageHeader | None = None
        records: list[AnyRecord | None] = []
        with contextlib.suppress(Damaged):  # told already
            header = read_header(page)
            self._claims += [(page_place(page.number), named) for named in header.named]
            records = read_records(page)
        self._report.counts["pages"] += 1
        self._report.counts["records"] += len(records)
        self._take(page.number, tenant, records, header, believed)
        return header

    def _hash_at(self, named: NamedHead) -> bytes | None:
        if not is_place(named.ordinal, named.sequence):
            return None  # what was altered may name anything
        page = self._journal.page(page_number(named.ordinal, named.sequence))
        return None if page is None else page.hash

    def _progress(self) -> None:
        self._done += 1
        if self._tell is not None and (self._done % _TELL_EVERY == 0 or self._done == self._total):
            self._tell(self._done, self._total)

    # --- heads ---

    def tell_heads(self) -> None:
        """Write every tenant's HEAD into the report."""
        for tenant in sorted({head.writer.tenant for head in self.heads}):
            tips = unnamed_heads(self._journal, tenant, self.heads)
            head = head_of(tenant, self.heads)
            self._report.heads.append(TenantHead(tenant, head, kept_text(head, tips)))

    def expect(self, kept: Kept) -> None:
        """Tell whether the HEAD that was kept is the present one, or a past one that still stands."""
        for tenant in sorted({head.writer.tenant for head in self.heads}):
            found = self._covered(tenant, kept)
            if found is None:
                continue
            since = sum(head.sequence for head in self.heads if head.writer.tenant == tenant) - found
            self._report.note(
                f"proven: the HEAD you kept stands in the journal of {tenant}, over {counted(found, 'pages')}"
                + (f"; the {since} pages since are not proven by it" if since else ", to its end")
            )
            return
        self._report.find(
            "head",
            f"HEAD {kept.head}",
            "the journal does not lead to the HEAD you kept"
            if kept.tips is not None
            else "it is neither the present HEAD nor one between two pages in the order they came"
            " (with several writers at once, keep the whole text that check prints)",
        )

    def _covered(self, tenant: str, kept: Kept) -> int | None:
        """How many pages the kept HEAD covers when it stands in this tenant's journal, else None."""
        if head_of(tenant, self.heads) == kept.head:
            return sum(head.sequence for head in self.heads if head.writer.tenant == tenant)
        if kept.tips is None:
            return self._searched(tenant, kept.head)
        reached = self._reached(tenant, kept.tips)
        if reached is None or head_of(tenant, reached) != kept.head:
            return None
        return sum(head.sequence for head in reached)

    def _reached(self, tenant: str, tips: Iterable[NamedHead]) -> list[Head] | None:
        """Every writer's head as it follows from the unnamed ones; None when a page of them is not there."""
        writers = {head.writer.ordinal: head.writer for head in self.heads if head.writer.tenant == tenant}
        reached: dict[int, NamedHead] = {}
        waiting = list(tips)
        while waiting:
            named = waiting.pop()
            held = reached.get(named.ordinal)
            if named.ordinal not in writers or self._hash_at(named) != named.hash:
                return None
            if held is None or held.sequence < named.sequence:
                reached[named.ordinal] = named
            if held is None:
                waiting += self._named_by(named.ordinal)
        return [Head(writers[each.ordinal], each.sequence, each.hash) for each in reached.values()]

    def _named_by(self, ordinal: int) -> list[NamedHead]:
        first = self._journal.page(page_number(ordinal, 1))
        try:
            return [] if first is None else read_header(first).named
        except Damaged:
            return []

    def _searched(self, tenant: str, wanted: str) -> int | None:
        """The pages of the moment at which HEAD was that hash, taking pages in the order they came."""
        writers = sorted(
            (head.writer for head in self.heads if head.writer.tenant == tenant),
            key=lambda writer: writer.ordinal,
        )
        places = {writer.ordinal: place for place, writer in enumerate(writers)}
        present = [Head(writer, 0, b"") for writer in writers]
        # prefixes[n] is the hash over the first n writers: the one that writes is usually the last.
        prefixes = [HeadHash(tenant)]
        for key, hashes in self._instants.groups():
            _, _, ordinal, sequence = key
            if key[0] != tenant:
                continue
            place = places[ordinal]
            present[place] = Head(writers[place], sequence, hashes[0])
            del prefixes[place + 1 :]
            for head in present[len(prefixes) - 1 :]:
                prefixes.append(prefixes[-1].copy())
                prefixes[-1].add(head)
            if prefixes[-1].hex() == wanted:
                return sum(head.sequence for head in present)
        return None
