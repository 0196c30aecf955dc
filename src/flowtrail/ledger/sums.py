"""Terms and cells: both sides are added up by key, and what does not come out even is wrong."""

from collections import Counter
from typing import Final

from flowtrail.ledger.recount import Recount, Refold, flat, summed, unflat
from flowtrail.ledger.report import Report
from flowtrail.ledger.rows import place_of
from flowtrail.ledger.runs import Key, Runs
from flowtrail.projection.cells import Cell, CellKey, encode_cell
from flowtrail.projection.terms import is_counted
from flowtrail.storage.interface import Store

JOURNAL: Final = 0
VIEWS: Final = 1
_CODES_TOLD: Final = 8


class Sums:
    """What the views hold of terms and cells, and what a recount gives, as of one moment."""

    def __init__(self) -> None:
        self._cells, self._terms = Runs(), Runs()
        self._recount = Recount(self._cells, JOURNAL)
        self._moving: set[tuple[str, str]] = set()
        self._ahead: set[tuple[str, str]] = set()

    def close(self) -> None:
        """Give memory and temporary files back."""
        for runs in (self._cells, self._terms):
            runs.close()

    def read_cells(self, store: Store) -> None:
        """Take in every stored cell; again when it is called again."""
        self._cells.close()
        for key, cell in store.cells.iter_cells():
            self._cells.add(flat(key), [VIEWS, encode_cell(cell)], 10 * len(cell))

    def expect(self, key: Key, folded: Refold) -> None:
        """A transaction as it was at the moment."""
        tenant, own = key
        self._recount.add(tenant, folded)
        for term in folded.terms:
            self._terms.add((tenant, term, folded.header.opened_at, own), JOURNAL)

    def moving(self, tenant: str, folded: Refold, *, ahead: bool = False) -> None:
        """A state of a transaction that changed after the moment: cells of its flow may be ahead, and were maybe
        `ahead` of what is expected at the moment already.

        Which of them cannot be told from its states: one that came and went in between counted in others.
        """
        flows = {(tenant, folded.header.flow), (tenant, "")}
        self._moving |= flows
        if ahead:
            self._ahead |= flows

    def compare_terms(self, store: Store, report: Report, revision: int) -> None:
        """Terms equal the states, but for transactions that changed after `revision`."""
        report.counts["terms"] = 0
        for tenant in sorted({writer.tenant for writer in store.journal.writers()}):
            counted: Counter[str] = Counter()
            before = store.changes.revision()
            totals = store.transactions.term_totals(tenant)
            for term, opened, own in store.transactions.iter_terms(tenant):
                report.counts["terms"] += 1
                counted[term] += is_counted(term)
                self._terms.add((tenant, term, opened, own), VIEWS)
            if store.changes.revision() == before:
                _compare_totals(report, tenant, totals, +counted)
        for (tenant, term, opened, own), sides in self._terms.groups():
            if sorted(sides) == [JOURNAL, VIEWS]:
                continue
            held = store.transactions.find(tenant, own)
            if held is not None and held.revision > revision:
                continue
            missing = VIEWS not in sides
            report.find(
                "term_missing" if missing else "term_extra",
                place_of((tenant, own)),
                f"term {term!r} under {opened} is {'missing' if missing else 'not one of its state'}",
            )

    def compare_cells(self, report: Report, *, steady: bool) -> None:
        """Cells equal the recount; unless they were read `steady`, those of flows in motion are left open, and those
        of flows that may have been ahead always are."""
        self._recount.flush()
        left_open = self._ahead if steady else self._moving
        report.counts["cells"] = 0
        unproven = 0
        for key, values in self._cells.groups():
            stored = [cell for side, cell in values if side == VIEWS]
            report.counts["cells"] += len(stored)
            found, expected = summed(stored), summed(cell for side, cell in values if side == JOURNAL)
            if found == expected and (not stored or found):
                continue
            place = unflat(key)
            if (place.tenant, place.group[0]) in left_open:
                unproven += 1
                continue
            _tell(report, place, found, expected)
        if unproven:
            report.note(f"{unproven} cells changed while they were read: not proven, check again")


def _compare_totals(report: Report, tenant: str, totals: dict[str, int], counted: dict[str, int]) -> None:
    for term in sorted({*totals, *counted}):
        held, there = totals.get(term, 0), counted.get(term, 0)
        if held != there:
            report.find("term_total", f"term {tenant}/{term!r}", f"its total is {held}, {there} have it")


def _tell(report: Report, place: CellKey, found: Cell, expected: Cell) -> None:
    codes = [code for code in {**expected, **found} if expected.get(code) != found.get(code)]
    report.find(
        "cell",
        f"cell {place.tenant}/{place.kind}/{place.width}/{place.start} {'|'.join(place.group)}",
        ", ".join(
            f"counter {code} is {found.get(code, 0)}, a recount gives {expected.get(code, 0)}"
            for code in sorted(codes, key=str)[:_CODES_TOLD]
        )
        or "it is stored without a counter",
    )
