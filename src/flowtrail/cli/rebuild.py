"""`flowtrail rebuild`: make the views again from the journal, beside the old ones."""

from typing import Annotated

from cyclopts import Parameter

from flowtrail.cli import settings
from flowtrail.cli.console import errors, print_json
from flowtrail.intake.rebuild import rebuild
from flowtrail.model.clock import monotonic_s
from flowtrail.storage import open_store


def command(
    *,
    store: Annotated[str, Parameter(help="The store; no server may hold it.")] = settings.DEFAULT_STORE,
    json: Annotated[bool, Parameter(help="Totals as JSON.", negative="")] = False,
) -> int:
    """Fold the whole journal anew and switch to the result; records that were set aside are tried again."""
    opened = open_store(store, create=False)
    try:
        began = monotonic_s()
        done = rebuild(opened)
    finally:
        opened.close()
    took = monotonic_s() - began
    told = {"records": done.records, "set_aside": done.set_aside, "seconds": round(took, 3)}
    if json:
        print_json(told)
    else:
        errors.print(f"{done.records} records folded in {took:.1f} s, {done.set_aside} set aside")
    return 0
