"""`flowtrail serve`: the server, its projector and, on SQLite, everything in one directory."""

from typing import Annotated

from cyclopts import Parameter

from flowtrail.cli import settings


def command(
    *,
    store: Annotated[
        str, Parameter(help="sqlite:DIRECTORY, mongodb://…/DATABASE or memory:")
    ] = settings.DEFAULT_STORE,
    host: Annotated[str, Parameter(help="Beyond loopback only with FLOWTRAIL_API_KEY.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="0 takes any free port.")] = 8765,
    intake_workers: Annotated[int, Parameter(help="Processes that accept records.")] = 1,
) -> int:
    """Accept records and answer questions until stopped; a second Ctrl-C hurries."""
    from flowtrail.server.run import serve

    return serve(store=store, host=host, port=port, intake_workers=intake_workers)
