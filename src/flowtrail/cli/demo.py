"""`flowtrail demo`: a server on a temporary store, real logs replayed into it, and what to try."""

import shlex
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from flowtrail.cli import settings
from flowtrail.cli.commands import run
from flowtrail.cli.console import answers, errors
from flowtrail.cli.failures import FAILED, NOT_FOUND, USAGE, Failure
from flowtrail.cli.importing import Totals, import_file, send
from flowtrail.cli.target import Client
from flowtrail.cli.usage import Whole
from flowtrail.intake.importers import Batch, ImportOptions
from flowtrail.model.clock import monotonic_s, now_us, sleep_s
from flowtrail.model.errors import counted
from flowtrail.simulator.story import story
from flowtrail.simulator.workload import RECORDS_A_TRANSACTION, Workload, bodies

LOGS: Final = (
    ("ocel-csv", "ocel_order/*.csv*", ImportOptions(), "orders, items and packages of a shop"),
    (
        "spans-parquet",
        "online_boutique/*.parquet",
        ImportOptions(flow="online-boutique", object_type="request"),
        "a day of the Online Boutique, with faults",
    ),
)
_PATTERNS: Final = tuple(pattern for _, pattern, _, _ in LOGS)
_LAST_PORT: Final = 65_535
_LOOK_S: Final = 0.5
_GENERATED: Final = Workload(transactions=2_000, seed=4711)


def command(
    *,
    data: Annotated[Path | None, Parameter(help="Folder of real logs; default: FLOWTRAIL_DEMO_DATA.")] = None,
    port: Annotated[Whole, Parameter(help="0 takes any free port.")] = 8765,
) -> int:
    """Start a server on a temporary store and replay logs into it, until Ctrl-C.

    Without a terminal it runs the commands it recommends itself, and ends.
    """
    if not 0 <= port <= _LAST_PORT:
        raise Failure(f"--port cannot be read: {str(port)!r}; allowed: 0 to {_LAST_PORT}", USAGE)
    folder = data or settings.demo_data()
    if folder is not None and not folder.is_dir():
        raise Failure(f"there is no folder {folder}", NOT_FOUND)
    if folder is not None and not any(True for pattern in _PATTERNS for _ in folder.glob(pattern)):
        raise Failure(f"there are no logs in {folder}; looked for: {', '.join(_PATTERNS)}", NOT_FOUND)
    try:
        told = _interrupted_by_any_end()
        with tempfile.TemporaryDirectory(prefix="flowtrail-demo-") as place:
            return _demonstrate(f"sqlite:{place}/store", _free(port), folder, told)
    except KeyboardInterrupt:
        errors.print("stopped; the store is gone")
        return 0


def _interrupted_by_any_end() -> list[int]:
    """A closed window and a `kill` are Ctrl-C too: whichever it is, the store goes. Gives the signals that came.

    They interrupt whatever is under way; but Python drops what is raised inside a callback of its garbage collector,
    and then the list still knows.
    """
    told: list[int] = []

    def interrupt(number: int, _: object) -> None:
        told.append(number)
        raise KeyboardInterrupt

    ends = [signal.SIGTERM, signal.SIGHUP]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # ignored in the background of a script
        ends.append(signal.SIGINT)
    for each in ends:
        signal.signal(each, interrupt)
    return told


def _demonstrate(store: str, port: int, folder: Path | None, told: list[int]) -> int:
    from flowtrail.server.run import serving

    began = monotonic_s()
    with serving(store, writing=True, port=port) as url:
        client = Client(url, None)
        _tell(client)
        commands = _commands(url)
        answers.print(
            f"Flowtrail runs at {url}; order 4711 is in after {monotonic_s() - began:.1f} s.\n\n"
            "Why did it not arrive? In a second terminal:\n"
        )
        for words in commands:
            answers.print("  " + _pasted(words))
        answers.print()
        for line in _replay(client, folder):
            answers.print(line)
        if not sys.stdout.isatty():
            return _try(commands)
        answers.print("\nReady. Ctrl-C ends it and removes the store.")
        while not told:
            sleep_s(_LOOK_S)
        raise KeyboardInterrupt


def _free(port: int) -> int:
    """The port wanted, or any when somebody has it: a demonstration should not fail over a number."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def _commands(url: str) -> list[list[str]]:
    # What the environment names counts before the default port, here and most likely in the second terminal.
    where = [] if url == settings.DEFAULT_URL and settings.url() is None else ["--url", url]
    return [
        ["show", "4711", *where],
        ["list", "status:failed", "--limit", "10", *where],
        ["stats", "--group-by", "flow", *where],
    ]


def _pasted(words: list[str]) -> str:
    """As it can be typed in the same directory, whether or not the environment is activated there."""
    program = "flowtrail"
    if shutil.which(program) is None:
        here = Path(sys.argv[0])
        program = str(here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here)
    return shlex.join([program, *words])


def _tell(client: Client) -> None:
    """The planted story comes first: it can be read before the logs are in."""
    body = b"\n".join(msgspec.json.encode(record) for record in story(now_us()))
    answer = client.records(body)
    if answer["rejected"]:
        raise Failure(f"the server refused the story: {answer['rejected'][0]}")
    client.wait_visible(answer["token"])


def _replay(client: Client, folder: Path | None) -> Iterator[str]:
    """Fill the store; a line for each log once it can be read."""
    found = [
        (name, file, options, what)
        for name, pattern, options, what in LOGS
        for file in sorted(folder.glob(pattern) if folder else ())
    ]
    for name, file, options, what in found:
        totals, began = Totals(), monotonic_s()
        import_file(client, name, file, options, totals)
        yield _over(client, totals, what, began)
    if not found:
        totals, began = Totals(), monotonic_s()
        for batch, answer in send(client, _generated()):
            totals.answered(batch, answer)
        what = "generated orders (FLOWTRAIL_DEMO_DATA names a folder of real logs)"
        yield _over(client, totals, what, began)


def _generated() -> Iterator[Batch]:
    total = _GENERATED.transactions * RECORDS_A_TRANSACTION
    for body in bodies(_GENERATED):
        records = body.count(b"\n") + 1
        yield Batch(body, records, records, total, tuple(range(records)))


def _over(client: Client, totals: Totals, what: str, began: float) -> str:
    if totals.problems:
        raise Failure(
            f"{counted(totals.problems, 'records')} of {what} could not be used: {totals.told[0][1]}"
        )
    if totals.token:
        client.wait_visible(totals.token)
    return f"{what}: {counted(totals.accepted, 'records')} can be read after {monotonic_s() - began:.1f} s"


def _try(commands: list[list[str]]) -> int:
    """Without a terminal nobody can paste: run the commands here."""
    for words in commands:
        answers.print("\n$ " + _pasted(words))
        if run(words) != 0:
            return FAILED
    return 0
