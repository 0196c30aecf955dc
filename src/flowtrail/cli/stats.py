"""`flowtrail stats`: counts, waits and works, by block."""

from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from flowtrail.cli.console import answers, errors, fitting, moment, print_json, safe, seconds
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


_OF_EXECUTIONS: Final = frozenset({"block", "stage", "worker", "predicate", "exception", "problem"})
"""What only executions have: transactions as a whole have an entry beside them."""
_NAME: Final = 8
_EXECUTIONS: Final = {
    "COUNT": 6, "FAILED": 6, "SKIPPED": 7, "WAIT P50": 9, "WAIT P95": 9, "WORK P50": 9, "WORK P95": 9, "WORK P99": 9
}  # fmt: skip
_TRANSACTIONS: Final = {
    "COUNT": 6, "FAILED": 6, "FILTERED": 8, "TOOK P50": 9, "TOOK P95": 9, "TOOK P99": 9, "EXECUTIONS": 10,
    "OF THEM FAILED": 14,
}  # fmt: skip
_SPARE: Final = (
    *("OF THEM FAILED", "EXECUTIONS", "TOOK P99", "WORK P99", "WAIT P95", "FILTERED", "SKIPPED"),
    *("WAIT P50", "TOOK P95", "WORK P95"),
)
"""What a narrow terminal does without, first to last."""


def _table(answer: dict[str, Any]) -> Table:
    """Rows of executions where these are told apart, else of transactions with what their executions came to."""
    by_execution = not _OF_EXECUTIONS.isdisjoint(answer["group_by"])
    names = (["FROM (UTC)"] if answer["step"] else []) + [name.upper() for name in answer["group_by"]]
    columns = _EXECUTIONS if by_execution else _TRANSACTIONS
    shown = fitting({name: 19 if name == "FROM (UTC)" else _NAME for name in names} | columns, _SPARE)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name == "FROM (UTC)")
    for name in shown[len(names) :]:
        table.add_column(name, justify="right", no_wrap=True)
    for bucket in answer["buckets"]:
        cells = [Text(moment(bucket["from"]))] if answer["step"] else []
        cells += [Text(_label(bucket, name)) for name in answer["group_by"]]
        row = _execution_row(bucket) if by_execution else _transaction_row(bucket)
        numbers = dict(zip(columns, row, strict=True))
        table.add_row(*cells, *(numbers[name] for name in shown[len(names) :]))
    return table


def _label(bucket: dict[str, Any], name: str) -> str:
    value = bucket["group"].get(name)
    if value is None and name in _OF_EXECUTIONS and "transactions" in bucket:
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
    if counts and "failed" not in counts:
        # By status they are counted by when they opened, and by nothing else: what is not told is not none.
        return [Text(str(counts["arrivals"])), *[Text("")] * (len(_TRANSACTIONS) - 1)]
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
