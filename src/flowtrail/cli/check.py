"""`flowtrail check`: prove that the journal was not altered and that the views are what it says."""

from typing import Annotated

from cyclopts import Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from flowtrail.cli import settings
from flowtrail.cli.console import answers, errors, print_json, safe
from flowtrail.cli.failures import FAILED
from flowtrail.ledger.check import check
from flowtrail.storage import open_store


def command(
    *,
    store: Annotated[str | None, Parameter(help="The store; a server may go on with it.")] = None,
    expect: Annotated[
        str | None, Parameter(help="A HEAD kept elsewhere, as this command printed it.")
    ] = None,
    json: Annotated[bool, Parameter(help="The report as JSON.")] = False,
) -> int:
    """Verify chain, Merkle roots and views, and print the heads; 1 when anything is wrong."""
    opened = open_store(settings.store(store), create=False)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )
    tasks = {
        "journal": bar.add_task("pages of the journal", total=None),
        "views": bar.add_task("transactions", total=None),
    }
    try:
        with bar:
            report = check(
                opened,
                expect=expect,
                progress=lambda what, done, of: bar.update(tasks[what], completed=done, total=of),
            )
    finally:
        opened.close()
    if json:
        print_json(report.as_dict())
    else:
        for line in report.lines():
            answers.print(safe(line))
    return 0 if report.ok else FAILED
