"""`flowtrail stats`: counts, waits and works, by block."""

from typing import Annotated, Any

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from flowtrail.cli.console import answers, errors, print_json, safe, seconds
from flowtrail.cli.queries import query_text
from flowtrail.cli.target import Target, connected


def command(
    *query: Annotated[str, Parameter(allow_leading_hyphen=True, help="Words of the query language.")],
    from_: Annotated[str | None, Parameter(name="--from", help="From this instant on.")] = None,
    to: Annotated[str | None, Parameter(help="Before this instant.")] = None,
    step: Annotated[
        str | None, Parameter(help="Width of a bucket, such as 1h or 1d; one bucket without it.")
    ] = None,
    group_by: Annotated[str, Parameter(help="flow, version, block, type, comma-separated.")] = "flow,block",
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
    errors.print(f"from {answer['from']} to {answer['to']}, computed from {answer['source']}")
    return 0


def _table(answer: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    if answer["step"]:
        table.add_column("FROM", no_wrap=True)
    for name in answer["group_by"]:
        table.add_column(name.upper())
    for name in ("COUNT", "FAILED", "SKIPPED", "WAIT P50", "WAIT P95", "WORK P50", "WORK P95", "WORK P99"):
        table.add_column(name, justify="right", no_wrap=True)
    for bucket in answer["buckets"]:
        table.add_row(*_row(answer, bucket))
    return table


def _row(answer: dict[str, Any], bucket: dict[str, Any]) -> list[Text]:
    cells = [bucket["from"]] if answer["step"] else []
    cells += [safe(bucket["group"].get(name) or "–") for name in answer["group_by"]]
    counts = bucket.get("executions") or bucket.get("transactions") or {}
    wait = bucket.get("wait_s") or {}
    work = bucket.get("work_s") or bucket.get("duration_s") or {}
    failed = counts.get("failed", 0)
    cells += [str(counts.get("arrivals", 0))]
    row = [Text(cell) for cell in cells]
    row.append(Text(str(failed), "red" if failed else "dim"))
    row.append(Text(str(counts.get("skipped", counts.get("filtered", 0)))))
    row += [Text(seconds(wait.get(name))) for name in ("p50", "p95")]
    row += [Text(seconds(work.get(name))) for name in ("p50", "p95", "p99")]
    return row
