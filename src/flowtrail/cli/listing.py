"""`flowtrail list`: transactions that match a query, newest first."""

from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from flowtrail.cli.console import answers, errors, fitting, moment, print_json, safe, seconds
from flowtrail.cli.failures import USAGE, Failure
from flowtrail.cli.queries import query_text
from flowtrail.cli.target import Target, connected
from flowtrail.cli.usage import Whole
from flowtrail.projection.life import name_of

_COLUMNS: Final = {
    "OPENED (UTC)": 19, "OBJECT": 12, "FLOW": 8, "STATUS": 10, "BLOCK": 8, "DURATION": 9, "ID": 32
}  # fmt: skip
_SPARE: Final = ("ID", "BLOCK", "FLOW", "OPENED (UTC)", "DURATION")
"""What a narrow terminal does without, first to last."""
_NAMES: Final = frozenset({"OBJECT", "FLOW", "BLOCK"})

COLOURS: Final = {
    "delivered": "green",
    "failed": "red",
    "filtered": "yellow",
    "cancelled": "magenta",
    "in_transit": "cyan",
}


def command(
    *query: Annotated[
        str,
        Parameter(allow_leading_hyphen=True, help="Words of the query language, such as status:failed 4711."),
    ],
    from_: Annotated[str | None, Parameter(name="--from", help="Opened at or after.")] = None,
    to: Annotated[str | None, Parameter(help="Opened before.")] = None,
    sort: Annotated[str | None, Parameter(help="opened (default), updated or ended.")] = None,
    limit: Annotated[Whole, Parameter(help="At most so many.")] = 50,
    json: Annotated[bool, Parameter(help="The API's answer.")] = False,
    target: Target | None = None,
) -> int:
    """List transactions that match QUERY, newest first."""
    if limit < 1:
        raise Failure(f"--limit is a whole number from 1 on; received {str(limit)!r}", USAGE)
    text = query_text(query)
    with connected(target or Target()) as client:
        rows: list[dict[str, Any]] = []
        token: str | None = None
        total: dict[str, Any] = {}
        while len(rows) < limit:
            answer = client.get(
                "/v1/transactions",
                q=text,
                from_=from_,
                to=to,
                sort=sort,
                page_size=min(limit - len(rows), 1000),
                page_token=token,
                count="none" if token else None,
            )
            total = total or answer
            rows += answer["transactions"]
            token = answer["next_page_token"]
            if token is None:
                break
    if json:
        print_json(
            {
                **answer,
                "transactions": rows,
                "total": total["total"],
                "total_is_exact": total["total_is_exact"],
            }
        )
        return 0
    answers.print(_table(rows))
    errors.print(_told(total, len(rows), is_all=token is None, is_of_all=not (text or from_ or to)))
    if answer["changed_since"]:
        errors.print(f"{answer['changed_since']} changed while this was read, and are left out")
    return 0


def _told(total: dict[str, Any], shown: int, *, is_all: bool, is_of_all: bool) -> str:
    if not shown:
        return "nothing is there yet" if is_of_all else "nothing matches"
    about = "" if total["total_is_exact"] else "at least "
    further = "" if is_all else "; there are more: --limit"
    return f"{shown} shown of {about}{total['total']}{further}"


def _table(rows: list[dict[str, Any]]) -> Table:
    shown = fitting(_COLUMNS, _SPARE)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in shown:
        if title in _NAMES:
            table.add_column(title, overflow="fold")
        else:
            table.add_column(title, no_wrap=True, justify="right" if title == "DURATION" else "left")
    for row in rows:
        cells = _cells(row)
        table.add_row(*(cells[title] for title in shown))
    return table


def _cells(row: dict[str, Any]) -> dict[str, Text]:
    status = row["status"]
    return {
        "OPENED (UTC)": Text(moment(row["opened_at"])),
        "OBJECT": Text(safe(name_of(row))),
        "FLOW": Text(safe(row["flow"] or "")),
        "STATUS": Text(status, style=COLOURS.get(status, "")),
        "BLOCK": Text(safe(row["current_block"] or "")),
        "DURATION": Text(seconds(row["duration_s"])),
        "ID": Text(row["id"]),
    }
