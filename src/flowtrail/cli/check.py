"""`flowtrail check`: prove that the journal was not altered and that the views are what it says."""

from typing import Annotated

from cyclopts import Parameter

from flowtrail.cli import settings
from flowtrail.cli.console import answers, errors, print_json, safe
from flowtrail.cli.failures import FAILED
from flowtrail.ledger.check import check
from flowtrail.storage import open_store


def command(
    *,
    store: Annotated[str, Parameter(help="The store; a server may go on with it.")] = settings.DEFAULT_STORE,
    expect: Annotated[str | None, Parameter(help="A HEAD that you kept elsewhere.")] = None,
    json: Annotated[bool, Parameter(help="The report as JSON.", negative="")] = False,
) -> int:
    """Verify chain, Merkle roots and views, and print the heads; 1 when anything is wrong."""
    opened = open_store(store, create=False)
    try:
        report = check(opened, expect=expect)
    finally:
        opened.close()
    if json:
        print_json(report.as_dict())
    else:
        for line in report.lines():
            (answers if report.ok else errors).print(safe(line))
    return 0 if report.ok else FAILED
