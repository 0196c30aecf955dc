"""Proof on demand: the journal was not altered, and the views are what it says.

Pages are read once: each is verified (`audit`) and what it holds is gathered by transaction (`recount`), sorted on
disk when it is much. Then both sides are walked together (`comparison`). Memory stays the same however large the
store is; a server may go on writing meanwhile.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from flowtrail.ledger.audit import Audit
from flowtrail.ledger.comparison import TRIES, Comparison, Moment, present_moment
from flowtrail.ledger.heads import reached
from flowtrail.ledger.kept import parse_kept
from flowtrail.ledger.outside import compare_definitions, compare_links
from flowtrail.ledger.pages import PageHeader, read_records
from flowtrail.ledger.recount import Entry, Gathered
from flowtrail.ledger.report import Report, page_place
from flowtrail.ledger.runs import Key
from flowtrail.ledger.sessions import compare_sessions
from flowtrail.ledger.sums import Sums
from flowtrail.model.errors import Damaged, StoreError, counted
from flowtrail.model.pages import page_number, split_number
from flowtrail.model.records import AnyRecord
from flowtrail.projection.version import PROJECTION_VERSION
from flowtrail.storage.interface import Head, Position, Store

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int | None], None]
"""Told what is under way ("journal" in pages, "views" in transactions), how much is done, and of how much."""

_READ_PAGES: Final = 64


def check(store: Store, expect: str | None = None, progress: Progress | None = None) -> Report:
    """Verify the whole store; everything wrong is in the report, nothing is repaired.

    `expect` is a HEAD that somebody kept elsewhere: the text that the report's heads carry, the line that tells it,
    or its hash alone.
    Raises: Refusal (`expect` is no HEAD), StoreUnavailable.
    """
    kept = None if expect is None else parse_kept(expect)
    report, gathered, sums = Report(), Gathered(), Sums()
    health = store.check()
    for problem in health.problems:
        report.find("store", "store", problem)
    for warning in health.warnings:
        report.note(warning)

    def take(
        page: int,
        tenant: str,
        records: Sequence[AnyRecord | None],
        header: PageHeader | None,
        believed: bool,
    ) -> None:
        gathered.take(page, tenant, records, header)
        if not believed:
            gathered.doubtful.add(page)

    try:
        at: tuple[Moment, bool] | None = None
        with _readable(report):
            at = _read_cells(store, sums)
        audit = Audit(store.journal, report, take, None if progress is None else partial(progress, "journal"))
        audit.run()
        if at is not None:
            told = None if progress is None else partial(progress, "views")
            _compare(store, report, gathered, sums, at, audit.heads, told)
        if kept is not None:
            audit.expect(kept)
        audit.tell_heads()
        audit.close()
    except Damaged as error:
        report.find("store", "store", f"it cannot be read on: {error}")
    finally:
        sums.close()
        gathered.close()
    return report


@contextmanager
def _readable(report: Report) -> Iterator[None]:
    """What of the views cannot be read is told, and the journal proven all the same."""
    try:
        yield
    except Damaged as error:
        report.find("views", "views", f"{error}; `flowtrail rebuild` makes them anew")
    except StoreError:
        raise
    except Exception as error:
        # Altered bytes may be anything, and so may what reading them raises.
        log.debug("the views cannot be read", exc_info=True)
        told = f"they cannot be read: {type(error).__name__}: {error}"
        report.find("views", "views", f"{told}; `flowtrail rebuild` makes them anew")


def _compare(
    store: Store,
    report: Report,
    gathered: Gathered,
    sums: Sums,
    at: tuple[Moment, bool],
    heads: list[Head],
    tell: Callable[[int, None], None] | None,
) -> None:
    moment, steady = at
    views = Report()
    with _readable(views):
        _check_position(report, moment.position, heads)
        report.set_aside = store.transactions.set_aside()
        if not _comparable(store, report):
            return
        comparison = Comparison(store, gathered, sums, moment, views, steady=steady)
        comparison.run(None if tell is None else lambda done: tell(done, None))
        comparison.recheck(partial(_since, store, heads))
        compare_links(store, gathered, views, moment)
        compare_definitions(store, gathered, views, moment)
        compare_sessions(store, gathered, views, moment)
    _believe(store, report, views, moment)


def _read_cells(store: Store, sums: Sums) -> tuple[Moment, bool]:
    """Read every cell; the moment, and whether nothing was written while they were read."""
    for _ in range(TRIES):
        moment = present_moment(store)
        sums.read_cells(store)
        if not moment.passed(store.changes):
            return moment, True
    return moment, False


def _check_position(report: Report, position: Position, heads: list[Head]) -> None:
    ends = reached(heads)
    for ordinal, sequence in sorted(position.items()):
        held = ends.get(ordinal, 0)
        if sequence > held:
            where = page_place(page_number(ordinal, held + 1))
            report.find("journal", where, f"the views were folded to {ordinal}/{sequence}: pages are lost")
    behind = sum(max(sequence - position.get(ordinal, 0), 0) for ordinal, sequence in ends.items())
    if behind:
        report.note(
            f"the views are {counted(behind, 'pages')} behind the journal: compared as far as they are folded"
        )


def _comparable(store: Store, report: Report) -> bool:
    version, rebuilding = store.views_version()
    if version == PROJECTION_VERSION:
        return True
    report.note(
        f"the views were made by projection version {version}, this Flowtrail has {PROJECTION_VERSION}: not compared; "
        + ("a rebuild is under way" if rebuilding else "rebuild them")
    )
    return False


def _believe(store: Store, report: Report, views: Report, moment: Moment) -> None:
    if store.changes.revision().generation == moment.generation:
        report.take(views)
    else:
        report.note("the views were rebuilt meanwhile: not compared, check again")


def _since(store: Store, heads: list[Head], keys: set[Key]) -> dict[Key, list[Entry]]:
    """What came for these transactions in pages after the heads, as far as the journal reaches now: whoever writes on
    may be faster."""
    read, ends = reached(heads), reached(store.journal.heads())
    tenants = {writer.ordinal: writer.tenant for writer in store.journal.writers()}
    gathered = Gathered()
    try:
        while any(read.get(ordinal, 0) < sequence for ordinal, sequence in ends.items()):
            pages = store.journal.read(read, _READ_PAGES)
            if not pages:
                break
            for page in pages:
                ordinal, sequence = split_number(page.number)
                read[ordinal] = sequence
                try:
                    gathered.take(page.number, tenants.get(ordinal, ""), read_records(page))
                except Damaged:
                    continue  # the next check finds it
        return {key: entries for key, entries in gathered.transactions() if key in keys}
    finally:
        gathered.close()
