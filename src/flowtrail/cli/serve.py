"""`flowtrail serve`: the server, its projector and, on SQLite, everything in one directory."""

from typing import Annotated

from cyclopts import Parameter

from flowtrail.cli.console import errors, safe
from flowtrail.cli.settings import misspelled
from flowtrail.cli.usage import Whole


def command(
    *,
    store: Annotated[
        str | None,
        Parameter(help="sqlite:DIRECTORY, mongodb://…/DATABASE or memory:; default sqlite:./flowtrail-data"),
    ] = None,
    host: Annotated[
        str | None, Parameter(help="Beyond loopback only with FLOWTRAIL_API_KEY; default 127.0.0.1")
    ] = None,
    port: Annotated[Whole | None, Parameter(help="0 takes any free port; default 8765")] = None,
    intake_workers: Annotated[
        Whole | None, Parameter(help="Processes beside the first that answer requests too; default 0")
    ] = None,
) -> int:
    """Accept records and answer questions until stopped; a second Ctrl-C hurries.

    What is not given is taken from the environment (FLOWTRAIL_STORE, FLOWTRAIL_HOST, …): docs/server.md lists all.
    """
    from flowtrail.server.run import serve

    for name, meant in misspelled():
        errors.print(f"flowtrail: nobody reads {safe(name)}; did you mean {meant}?")
    return serve(store=store, host=host, port=port, intake_workers=intake_workers)
