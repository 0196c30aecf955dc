"""`flowtrail import`: a log of another system, as records; again and again without changing anything."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from flowtrail.cli.console import errors, print_json, safe
from flowtrail.cli.failures import FAILED, NOT_FOUND, USAGE, Failure
from flowtrail.cli.target import Client, Target, connected
from flowtrail.intake.importers import FORMATS, Batch, ImportOptions, open_import

_SHOWN = 5


def command(
    format: Annotated[str, Parameter(help=f"One of: {', '.join(FORMATS)}.")],
    files: Annotated[list[Path], Parameter(help="Files to read, of any size; compressed ones too.")],
    /,
    *,
    options: Annotated[ImportOptions | None, Parameter(name="*")] = None,
    json: Annotated[bool, Parameter(help="Totals as JSON.", negative="")] = False,
    target: Target | None = None,
) -> int:
    """Import FILES; what cannot be read is told, and the rest goes on."""
    if format not in FORMATS:
        raise Failure(f"there is no format {format!r}; allowed: {', '.join(FORMATS)}", USAGE)
    for file in files:
        if not file.is_file():
            raise Failure(f"there is no file {file}", NOT_FOUND)
    totals: dict[str, Any] = {"accepted": 0, "rejected": 0, "problems": [], "token": None}
    with connected(target or Target(), writing=True) as client:
        for file in files:
            import_file(client, format, file, options or ImportOptions(), totals)
        if token := totals.pop("token"):
            client.wait_visible(token)
    if json:
        print_json(totals)
    else:
        errors.print(f"{totals['accepted']} records accepted, {totals['rejected']} rejected")
    for problem in totals["problems"][:_SHOWN]:
        errors.print(safe(problem))
    if len(totals["problems"]) > _SHOWN:
        errors.print(f"… and {len(totals['problems']) - _SHOWN} more")
    return FAILED if totals["rejected"] or totals["problems"] else 0


def import_file(
    client: Client,
    format: str,
    file: Path,
    options: ImportOptions,
    totals: dict[str, Any],
    *,
    quiet: bool = False,
) -> None:
    """Send one file's records, batch by batch, and add to `totals`."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}% {task.fields[records]} records"),
        TimeRemainingColumn(),
        console=errors,
        disable=quiet or not errors.is_terminal,
    )
    problems: list[str] = totals["problems"]
    with bar:
        task = bar.add_task(file.name, total=None, records=0)
        sent = 0
        for batch in open_import(
            format, file, options, problems=lambda problem: problems.append(str(problem))
        ):
            _send(client, batch, totals)
            sent += batch.records
            bar.update(task, completed=batch.done, total=batch.total, records=sent)


def _send(client: Client, batch: Batch, totals: dict[str, Any]) -> None:
    answer = client.records(batch.body)
    totals["accepted"] += answer["accepted"]
    totals["rejected"] += len(answer["rejected"])
    totals["problems"] += [
        f"record refused: {each['field']}: {each['message']}" for each in answer["rejected"]
    ]
    totals["token"] = answer.get("token") or totals["token"]
