"""The command: which figures, how often, and where the report goes."""

import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from flowtrail import __version__
from flowtrail.cli.bench import reading, rebuilding, speed, tracing
from flowtrail.cli.bench.subject import Subject, directory_bytes, running
from flowtrail.cli.console import answers, errors, print_json
from flowtrail.cli.doctor import fsync_seconds
from flowtrail.cli.failures import USAGE, Failure
from flowtrail.cli.usage import Whole
from flowtrail.model.errors import shorten
from flowtrail.model.ids import random_bytes
from flowtrail.simulator.workload import RECORDS_A_TRANSACTION

FIGURES = ("whole", "interleaved", "acknowledged", "visible", "reading", "large", "otlp")


def command(
    *,
    store: Annotated[
        str | None, Parameter(help="mongodb://…/DATABASE (is filled and emptied); default: SQLite.")
    ] = None,
    figure: Annotated[
        list[str] | None, Parameter(help=f"Any of: {', '.join(FIGURES)}; default: all.")
    ] = None,
    records: Annotated[Whole, Parameter(help="Records a run.")] = 700_000,
    transactions: Annotated[Whole, Parameter(help="Transactions for reading.")] = 100_000,
    runs: Annotated[Whole, Parameter(help="Runs of each speed; the median counts.")] = 3,
    output: Annotated[Path | None, Parameter(help="Write the report as JSON, to compare over time.")] = None,
    json: Annotated[bool, Parameter(help="The report as JSON.", negative="")] = False,
) -> int:
    """Measure this machine and this version; ratios are multiples of json.loads over the same records."""
    if store is not None and not store.startswith(("mongodb://", "mongodb+srv://")):
        raise Failure(
            f"--store takes mongodb://…/DATABASE, not {shorten(store)!r}; SQLite is measured without it, in a"
            " directory of its own",
            USAGE,
        )
    for option, value in (("--records", records), ("--transactions", transactions), ("--runs", runs)):
        if value < 1:
            raise Failure(f"{option} is a whole number from 1 on; received {str(value)!r}", USAGE)
    wanted = figure or list(FIGURES)
    for name in wanted:
        if name not in FIGURES:
            raise Failure(f"there is no figure {name!r}; allowed: {', '.join(FIGURES)}", USAGE)
    with tempfile.TemporaryDirectory(prefix="flowtrail-bench-", dir=Path.cwd()) as place:
        report: dict[str, Any] = {
            "version": __version__,
            "python": platform.python_version(),
            "store": (store or "sqlite:").partition(":")[0],
            "fsync_ms": round(fsync_seconds(Path(place)) * 1e3, 3),
        }
        for name in ("whole", "interleaved"):
            if name in wanted:
                report[name] = _speeds(store, place, records, runs, interleaved=name == "interleaved")
        if "acknowledged" in wanted:
            report["acknowledged"] = _acknowledged(store, place, records, runs)
        if "visible" in wanted:
            report["visible"] = _visible(store, place, report, records)
        if "reading" in wanted:
            with _server(store, place) as subject:
                report["reading"] = reading.measure(subject, transactions)
        if "large" in wanted:
            with _server(store, place) as subject:
                report["large"] = reading.large_transaction(subject)
        if "otlp" in wanted:
            report |= _otlp(store, place, records, runs)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    if json:
        print_json(report)
    else:
        _print(report)
    return 0


@contextmanager
def _server(store: str | None, place: str, *options: str) -> Iterator[Subject]:
    """A server on a store of its own."""
    with _fresh(store, place) as url, running(url, *options) as subject:
        yield subject


@contextmanager
def _fresh(store: str | None, place: str) -> Iterator[str]:
    """The URL of a store of its own: a directory, or a database whose name no one else uses."""
    name = f"bench_{random_bytes(4).hex()}"
    url = f"sqlite:{place}/{name}" if store is None else _database(store, name)
    try:
        yield url
    finally:
        if store is not None:
            _drop(url)


def _database(url: str, name: str) -> str:
    base, mark, options = url.partition("?")
    scheme, _, rest = base.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{name}{mark}{options}"


def _drop(url: str) -> None:
    from pymongo import MongoClient

    with MongoClient[dict[str, Any]](url) as client:
        client.drop_database(client.get_default_database().name)


def _speeds(store: str | None, place: str, records: int, runs: int, *, interleaved: bool) -> dict[str, Any]:
    workload = speed.sized(records, interleaved=interleaved)
    prepared = speed.prepare(workload)
    found: list[dict[str, Any]] = []
    for number in range(runs):
        with _fresh(store, place) as url:
            with running(url) as subject:
                told = speed.measure(subject, workload, prepared).as_dict()
                told["memory_mb"] = round(subject.memory_bytes() / 1e6)
                if store is None:
                    told |= _disk(subject, workload.transactions * RECORDS_A_TRANSACTION)
            told["rebuild_ratio"] = rebuilding.ratio(url, told["reference_records_s"])
        errors.print(f"run {number + 1}: {told}")
        found.append(told)
    names = found[0]
    return {"median": {name: median(run[name] for run in found) for name in names}, "runs": found}


def _disk(subject: Subject, records: int) -> dict[str, float]:
    directory = subject.store.removeprefix("sqlite:")
    return {
        "journal_bytes_record": round(directory_bytes(directory, "journal.db") / records, 1),
        "views_bytes_record": round(directory_bytes(directory, "views") / records, 1),
    }


def _acknowledged(store: str | None, place: str, records: int, runs: int) -> dict[str, Any]:
    """Durable acknowledgement alone, the projector resting, with and without a second process that takes records."""
    prepared = speed.prepare(speed.sized(records, interleaved=False))
    told: dict[str, Any] = {}
    for name, options in (("one process", ()), ("two processes", ("--intake-workers", "1"))):
        found = []
        for _ in range(runs):
            with _server(store, place, *options) as subject, subject.projector_resting():
                found.append(speed.acknowledgement(subject, prepared))
        told[name] = {figure: median(run[figure] for run in found) for figure in found[0]}
    return told


def _otlp(store: str | None, place: str, spans: int, runs: int) -> dict[str, Any]:
    """Spans over OTLP, traces told whole and scattered over open ones."""
    told: dict[str, Any] = {}
    for name in ("whole", "scattered"):
        prepared = tracing.Prepared(tracing.sized(spans, scattered=name == "scattered"))
        found = []
        for number in range(runs):
            with _server(store, place) as subject:
                found.append(tracing.measure(subject, prepared))
            errors.print(f"otlp {name}, run {number + 1}: {found[-1]}")
        middle = {figure: median(run[figure] for run in found) for figure in found[0]}
        told[f"otlp {name}"] = {"median": middle, "runs": found}
    return told


def _visible(store: str | None, place: str, report: dict[str, Any], records: int) -> dict[str, Any]:
    """From acknowledged to visible at half of what the store takes."""
    told: dict[str, Any] = {}
    for name in ("whole", "interleaved"):
        if name not in report:
            continue
        rate = report[name]["median"]["queryable_records_s"] / 2
        prepared = speed.prepare(speed.sized(records, interleaved=name == "interleaved"))
        with _server(store, place) as subject:
            p50, p99 = speed.visibility(subject, prepared, rate)
        told[name] = {"records_s": round(rate), "p50_ms": round(p50 * 1e3, 1), "p99_ms": round(p99 * 1e3, 1)}
    return told


def _print(report: dict[str, Any]) -> None:
    for name, told in report.items():
        if not isinstance(told, dict):
            answers.print(f"{name}: {told}")
            continue
        answers.print(f"\n{name}")
        for key, value in (told.get("median") or told).items():
            answers.print(f"  {key:<28} {value}")
