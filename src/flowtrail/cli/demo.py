"""`flowtrail demo`: a server on a temporary store, real logs replayed into it, and what to try."""

import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from flowtrail.cli import settings
from flowtrail.cli.commands import run
from flowtrail.cli.console import answers, errors
from flowtrail.cli.failures import FAILED, Failure
from flowtrail.cli.importing import import_file
from flowtrail.cli.target import Client
from flowtrail.intake.importers import ImportOptions
from flowtrail.model.clock import now_us
from flowtrail.simulator.story import story
from flowtrail.simulator.workload import Workload, bodies

LOGS: Final = (
    ("ocel-csv", "ocel_order/*.csv*", "orders, items and packages of a shop"),
    ("spans-parquet", "online_boutique/*.parquet", "one day of the Online Boutique, with faults"),
)
_GENERATED: Final = Workload(transactions=2_000, seed=4711)


def command(
    *,
    data: Annotated[Path | None, Parameter(help="Folder of real logs; default: FLOWTRAIL_DEMO_DATA.")] = None,
    port: Annotated[int, Parameter(help="0 takes any free port.")] = 8765,
) -> int:
    """Start a server on a temporary store and replay logs into it, until Ctrl-C."""
    from flowtrail.server.run import serving

    folder = data or settings.demo_data()
    if folder is not None and not folder.is_dir():
        raise Failure(f"there is no folder {folder}")
    with tempfile.TemporaryDirectory(prefix="flowtrail-demo-") as place:
        with serving(f"sqlite:{place}/store", writing=True, port=_free(port)) as url:
            client = Client(url, None)
            _tell(client)
            answers.print(f"Flowtrail runs at {url}\n\nTry, in a second terminal:\n")
            commands = _commands(url)
            for words in commands:
                answers.print("  flowtrail " + " ".join(words))
            answers.print()
            for line in _replay(client, folder):
                answers.print(line)
            if not sys.stdout.isatty():
                return _try(commands)
            answers.print("\nReady. Ctrl-C ends it and removes the store.")
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                errors.print("stopped")
    return 0


def _free(port: int) -> int:
    """The port wanted, or any when somebody has it: a demonstration should not fail over a number."""
    import socket

    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def _commands(url: str) -> list[list[str]]:
    return [
        ["show", "4711", "--url", url],
        ["list", "status:failed", "--limit", "10", "--url", url],
        ["stats", "--group-by", "flow,block", "--url", url],
    ]


def _tell(client: Client) -> None:
    """The planted story comes first: it can be read before the logs are in."""
    body = b"\n".join(msgspec.json.encode(record) for record in story(now_us()))
    answer = client.records(body)
    if answer["rejected"]:
        raise Failure(f"the server refused the story: {answer['rejected'][0]}")
    client.wait_visible(answer["token"])


def _replay(client: Client, folder: Path | None) -> Iterator[str]:
    found = [
        (name, file, what)
        for name, pattern, what in LOGS
        for file in sorted((folder or Path()).glob(pattern))
    ]
    if folder is None or not found:
        totals: dict[str, Any] = {"token": None}
        for body in bodies(_GENERATED):
            totals["token"] = client.records(body)["token"]
        client.wait_visible(totals["token"])
        yield f"{_GENERATED.transactions} generated orders are in (set FLOWTRAIL_DEMO_DATA for real logs)"
        return
    for name, file, what in found:
        totals = {"accepted": 0, "rejected": 0, "problems": [], "token": None}
        import_file(client, name, file, ImportOptions(), totals)
        client.wait_visible(totals["token"])
        yield f"{what}: {totals['accepted']} records are in"
        if totals["rejected"]:
            raise Failure(f"{totals['rejected']} records were refused: {totals['problems'][0]}")


def _try(commands: list[list[str]]) -> int:
    """Without a terminal nobody can paste: run the commands here."""
    for words in commands:
        answers.print("\n$ flowtrail " + " ".join(words))
        if run(words) != 0:
            return FAILED
    return 0
