"""`flowtrail import`: a log of another system, as records; again and again without changing anything."""

import shlex
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from flowtrail.cli.console import errors, print_json, safe
from flowtrail.cli.failures import FAILED, NOT_FOUND, USAGE, Failure
from flowtrail.cli.target import Client, Target, connected
from flowtrail.intake.importers import FORMATS, Batch, ImportOptions, Problem, open_import
from flowtrail.model.errors import Refusal, counted

_SHOWN: Final = 5
_KINDS: Final = 20
_KEPT: Final = 1_000
"""Problems held; further ones are counted. A file of any size may be wrong in every row."""
_IN_FLIGHT: Final = 4
"""Requests at a time: one is decoded while another one is committed."""
_STDIN: Final = Path("-")


@dataclass(slots=True)
class Totals:
    """What became of an import."""

    accepted: int = 0
    rejected: int = 0
    problems: int = 0
    file: str = ""
    """What is read at the moment."""
    told: list[tuple[str, Problem]] = field(default_factory=list)
    """With the file it stands in."""
    counts: Counter[str] = field(default_factory=Counter)
    """What was kept though it is odd, by what that is."""
    token: str | None = None

    def problem(self, problem: Problem) -> None:
        """Something was left out."""
        self.problems += 1
        if len(self.told) < _KEPT:
            self.told.append((self.file, problem))

    def answered(self, batch: Batch, answer: dict[str, Any]) -> None:
        """The server's receipt for a batch."""
        self.accepted += answer["accepted"]
        self.rejected += len(answer["rejected"])
        self.token = answer.get("token") or self.token
        for each in answer["rejected"]:
            self.problem(
                Problem(
                    batch.rows[each["index"]],
                    each["field"],
                    each["received"],
                    each["allowed"],
                    each["message"],
                )
            )

    def as_dict(self) -> dict[str, Any]:
        """As `--json` tells it."""
        return {
            "accepted": self.accepted,
            "rejected": self.rejected,
            "problems": self.problems,
            "counted": dict(self.counts),
            "first_problems": [
                {
                    "file": file,
                    "row": each.row,
                    "field": each.field,
                    "received": each.received,
                    "allowed": each.allowed,
                    "message": each.message,
                }
                for file, each in self.told
            ],
        }


def command(
    format: Annotated[str, Parameter(help=f"One of: {', '.join(FORMATS)}.")],
    files: Annotated[
        list[Path] | None,
        Parameter(
            allow_leading_hyphen=True,
            help="Files to read, of any size, plain or as gzip or zstd; - reads standard input.",
        ),
    ] = None,
    /,
    *,
    options: Annotated[ImportOptions | None, Parameter(name="*")] = None,
    json: Annotated[bool, Parameter(help="Totals as JSON.")] = False,
    target: Target | None = None,
) -> int:
    """Import FILES; what cannot be read is told, and the rest goes on. 1 when anything was left out."""
    if format not in FORMATS:
        hint = "; the format stands before the files" if Path(format).exists() else ""
        raise Failure(f"there is no format {format!r}; allowed: {', '.join(FORMATS)}{hint}", USAGE)
    if not files:
        raise Failure("FILES is missing: name at least one file, or - for standard input", USAGE)
    for file in files:
        if str(file).startswith("--"):
            raise Failure(f"there is no option {file}; --help lists them all", USAGE)
        if file != _STDIN:
            _look_at(format, file)
    totals = Totals()
    with connected(target or Target(), writing=True) as client:
        for file in files:
            try:
                import_file(client, format, file, options or ImportOptions(), totals)
            except Refusal as refusal:
                raise _refused(refusal, file, files) from refusal
        if totals.token:
            client.wait_visible(totals.token)
    if json:
        print_json(totals.as_dict())
    else:
        errors.print(f"{counted(totals.accepted, 'records')} accepted, {totals.rejected} rejected")
    for what, count in totals.counts.most_common(_KINDS):
        errors.print(f"{count} {safe(what)}")
    for name, problem in totals.told[:_SHOWN]:
        errors.print(safe(f"{name}: {problem}" if len(files) > 1 else problem))
    if totals.problems > _SHOWN:
        errors.print(f"… and {totals.problems - _SHOWN} more")
    return FAILED if totals.problems else 0


def _look_at(format: str, file: Path) -> None:
    """Before anything is sent: is this something to read? Raises: Failure."""
    try:
        kind = file.stat().st_mode
        if S_ISREG(kind):
            file.open("rb").close()
    except FileNotFoundError:
        raise Failure(f"there is no file {file}", NOT_FOUND) from None
    except OSError as error:
        raise _unread(file, error) from error
    if S_ISDIR(kind):
        files = f"{shlex.quote(str(file))}/*"
        told = f"{file} is a directory: name the files in it, as in flowtrail import {format} {files}"
        raise Failure(told, USAGE)


def _refused(refusal: Refusal, file: Path, files: list[Path]) -> Exception:
    """The same, with the file's name where that is not plain, and what became of those before."""
    if len(files) == 1:
        return refusal
    done = files[: files.index(file)]
    told = f"; imported before it: {', '.join(map(_named, done))}" if done else ""
    return Failure(f"{_named(file)}: {refusal}{told}", USAGE)


def _named(file: Path) -> str:
    return "standard input" if file == _STDIN else str(file)


def _unread(file: Path, error: OSError) -> Failure:
    return Failure(f"{_named(file)} cannot be read: {error.strerror or error}")


def import_file(client: Client, format: str, file: Path, options: ImportOptions, totals: Totals) -> None:
    """Send one file's records and add to `totals`; progress goes to stderr where that is a terminal."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[records]} records"),
        TimeRemainingColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )
    with bar:
        totals.file = _named(file)
        task = bar.add_task(safe(file.name), total=None, records=0)
        sent = 0
        try:
            batches = open_import(format, file, options, totals.problem, totals.counts)
            for batch, answer in send(client, batches):
                totals.answered(batch, answer)
                sent += batch.records
                bar.update(task, completed=batch.done, total=batch.total, records=sent)
        except OSError as error:
            # Servers that do not answer are failures already: this is the file.
            raise _unread(file, error) from error


def send(client: Client, batches: Iterable[Batch]) -> Iterator[tuple[Batch, dict[str, Any]]]:
    """Every batch with its receipt, in order, several of them in flight. Raises: Failure."""
    waiting: deque[tuple[Batch, Future[dict[str, Any]]]] = deque()
    pool = ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="import")
    try:
        for batch in batches:
            waiting.append((batch, pool.submit(client.records, batch.body)))
            # As many again lie ready, so that no connection waits for the file.
            if len(waiting) >= 2 * _IN_FLIGHT:
                first, answer = waiting.popleft()
                yield first, answer.result()
        while waiting:
            first, answer = waiting.popleft()
            yield first, answer.result()
    except BaseException:
        client.stopping.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
