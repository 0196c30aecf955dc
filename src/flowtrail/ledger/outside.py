"""What stands outside transactions, held to the journal: links, a set, and definitions, registers of their own."""

from collections.abc import Sequence

from flowtrail.ledger.comparison import Moment
from flowtrail.ledger.recount import DefinitionKey, Gathered, Stamped, covers
from flowtrail.ledger.report import Report
from flowtrail.storage.interface import Store


def compare_links(store: Store, gathered: Gathered, report: Report, moment: Moment) -> None:
    """Every link of the journal is in the views, and no other."""
    report.counts["links"] = 0
    links = gathered.links
    for link in store.transactions.iter_links():
        report.counts["links"] += 1
        links.add(tuple(link), None)
    moved = moment.passed(store.changes)
    for (tenant, parent, child, relation), pages in links.groups():
        known = [page for page in pages if page is not None]
        due = [page for page in known if covers(moment.position, page)]
        where = f"link {tenant}/{parent.hex()} {relation} {child.hex()}"
        if due and None not in pages and not gathered.doubtful.issuperset(due):
            report.find("link_missing", where, "the journal says it, the views lack it")
        elif not known and not moved and not gathered.doubtful:
            report.find("link_extra", where, "the views have it, the journal does not say it")


def compare_definitions(store: Store, gathered: Gathered, report: Report, moment: Moment) -> None:
    """Every flow's declaration is the greatest that was stated."""
    stored: dict[DefinitionKey, Stamped] = {}
    for tenant in sorted({writer.tenant for writer in store.journal.writers()}):
        for held in store.transactions.definitions(tenant, "flow"):
            stored[tenant, "flow", held.name] = (held.stamp, held.body)
    report.counts["definitions"] = len(stored)
    moved = moment.passed(store.changes)
    for key in sorted({*stored, *gathered.definitions}):
        stated = gathered.definitions.get(key, [])
        due = [value for page, value in stated if covers(moment.position, page)]
        held_value, greatest = stored.get(key), max(due, default=None)
        if held_value == greatest:
            continue
        ahead = any(value == held_value and value not in due for _, value in stated)
        doubtful = any(page in gathered.doubtful for page, _ in stated)
        if held_value is not None and (greatest is None or held_value > greatest):
            # What was erased, or cannot be read, may have stated it.
            doubtful = doubtful or bool(gathered.doubtful)
        if not (ahead or doubtful or (moved and held_value is not None)):
            report.find("definition", f"{key[1]} {key[0]}/{'/'.join(key[2])}", _said(held_value, due))


def _said(held: Stamped | None, due: Sequence[Stamped]) -> str:
    if held is None:
        return "the journal states it, the views lack it"
    if not due:
        return "the views have it, the journal does not state it"
    return "the views hold another statement than the greatest"
