"""`flowtrail rebuild`: make the views again from the journal, beside the old ones."""

from typing import Annotated

from cyclopts import Parameter
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from flowtrail.cli import settings
from flowtrail.cli.console import errors, print_json
from flowtrail.intake.rebuild import rebuild
from flowtrail.model.clock import monotonic_s
from flowtrail.model.errors import counted
from flowtrail.storage import open_store


def command(
    *,
    store: Annotated[str | None, Parameter(help="The store; no server may hold it.")] = None,
    json: Annotated[bool, Parameter(help="Totals as JSON.")] = False,
) -> int:
    """Fold the whole journal anew and switch to the result; records that were set aside are tried again."""
    opened = open_store(settings.store(store), create=False)
    bar = Bar(
        SpinnerColumn(),
        TextColumn("{task.fields[records]} records folded"),
        TimeElapsedColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )
    try:
        began = monotonic_s()
        with bar:
            task = bar.add_task("", total=None, records=0)
            done = rebuild(opened, lambda progress: bar.update(task, records=progress.records))
    finally:
        opened.close()
    took = monotonic_s() - began
    if json:
        print_json({"records": done.records, "set_aside": done.set_aside, "seconds": round(took, 3)})
    else:
        errors.print(f"{counted(done.records, 'records')} folded in {took:.1f} s, {done.set_aside} set aside")
    return 0
