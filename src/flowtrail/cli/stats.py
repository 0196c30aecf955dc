"""`flowtrail stats`: counts, waits and works, by block."""

from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from flowtrail.cli.console import answers, errors, moment, print_json, safe, seconds
from flowtrail.cli.queries import query_text
from flowtrail.cli.target import Target, connected


def command(
    *query: Annotated[str, Parameter(allow_leading_hyphen=True, help="Words of the query language.")],
    from_: Annotated[str | None, Parameter(name="--from", help="From this instant on.")] = None,
    to: Annotated[str | None, Parameter(help="Before this instant.")] = None,
    step: Annotated[
        str | None, Parameter(help="Width of a bucket, such as 1h or 1d; one bucket without it.")
    ] = None,
    group_by: Annotated[
        str, Parameter(help="flow, version, block, type, …, comma-separated.")
    ] = "flow,block",
    json: Annotated[bool, Parameter(help="The API's answer.")] = False,
    target: Target | None = None,
) -> int:
    """Show counts, rates and percentiles."""
    with connected(target or Target()) as client:
        answer = client.get(
            "/v1/statistics",
            q=query_text(query),
            from_=from_,
            to=to,
            step=step,
            group_by=group_by or None,
        )
    if json:
        print_json(answer)
        return 0
    answers.print(_table(answer))
    if not answer["complete"]:
        errors.print("counting took too long: this is a part of it; ask for a shorter range (--from, --to)")
    if answer["from"] is None:
        errors.print("nothing is counted yet")
    elif not answer["buckets"]:
        errors.print("nothing matches")
    else:
        errors.print(f"from {answer['from']} to {answer['to']}, computed from {answer['source']}")
    return 0


def _table(answer: dict[str, Any]) -> Table:
    """Rows of executions where blocks are told apart, else of transactions with what their executions came to."""
    by_block = "block" in answer["group_by"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    if answer["step"]:
        table.add_column("FROM", no_wrap=True)
    for name in answer["group_by"]:
        table.add_column(name.upper(), overflow="fold")
    for name in _EXECUTION_COLUMNS if by_block else _TRANSACTION_COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for bucket in answer["buckets"]:
        cells = [Text(moment(bucket["from"]))] if answer["step"] else []
        cells += [Text(_label(bucket, name)) for name in answer["group_by"]]
        table.add_row(*cells, *(_execution_row(bucket) if by_block else _transaction_row(bucket)))
    return table


_EXECUTION_COLUMNS: Final = (
    "COUNT", "FAILED", "SKIPPED", "WAIT P50", "WAIT P95", "WORK P50", "WORK P95", "WORK P99"
)  # fmt: skip
_TRANSACTION_COLUMNS: Final = (
    "COUNT", "FAILED", "FILTERED", "TOOK P50", "TOOK P95", "TOOK P99", "EXECUTIONS", "OF THEM FAILED"
)  # fmt: skip


def _label(bucket: dict[str, Any], name: str) -> str:
    value = bucket["group"].get(name)
    if value is None and name == "block" and "transactions" in bucket:
        return "(whole)"
    return safe(value or "–")


def _execution_row(bucket: dict[str, Any]) -> list[Text]:
    counts = bucket.get("executions") or bucket.get("transactions") or {}
    wait = bucket.get("wait_s") or {}
    work = bucket.get("work_s") or bucket.get("duration_s") or {}
    return [
        Text(str(counts.get("arrivals", 0))),
        _failures(counts),
        Text(str(counts.get("skipped", counts.get("filtered", 0)))),
        *(Text(seconds(wait.get(name))) for name in ("p50", "p95")),
        *(Text(seconds(work.get(name))) for name in ("p50", "p95", "p99")),
    ]


def _transaction_row(bucket: dict[str, Any]) -> list[Text]:
    counts = bucket.get("transactions") or {}
    executions = bucket.get("executions") or {}
    took = bucket.get("duration_s") or {}
    return [
        Text(str(counts.get("arrivals", 0))),
        _failures(counts),
        Text(str(counts.get("filtered", 0))),
        *(Text(seconds(took.get(name))) for name in ("p50", "p95", "p99")),
        Text(str(executions.get("arrivals", 0))),
        _failures(executions),
    ]


def _failures(counts: dict[str, Any]) -> Text:
    failed = counts.get("failed", 0)
    return Text(str(failed), "red" if failed else "dim")
