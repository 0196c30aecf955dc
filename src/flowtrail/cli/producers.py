"""`flowtrail producers`: what came of each producer session, and whether anything is missing."""

from typing import Annotated, Any, Final

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from flowtrail.cli.console import answers, errors, fitting, moment, print_json, safe, seconds
from flowtrail.cli.failures import NOT_FOUND, USAGE, Failure
from flowtrail.cli.target import Client, Target, connected
from flowtrail.cli.usage import Whole
from flowtrail.model.errors import counted

COLOURS: Final = {"gaps": "red", "lost": "red", "silent": "yellow", "complete": "green"}
_GAPS_SHOWN: Final = 3


def command(
    producer: Annotated[str | None, Parameter(help="A producer's name, or a session's name/session.")] = None,
    /,
    *,
    verdict: Annotated[
        str | None, Parameter(help="Only these, comma-separated: gaps, lost, silent, complete.")
    ] = None,
    limit: Annotated[Whole, Parameter(help="At most so many.")] = 50,
    json: Annotated[bool, Parameter(help="The API's answer.")] = False,
    target: Target | None = None,
) -> int:
    """Show what came of each producer session, and whether anything is missing."""
    if limit < 1:
        raise Failure(f"--limit is a whole number from 1 on; received {str(limit)!r}", USAGE)
    with connected(target or Target()) as client:
        rows: list[dict[str, Any]] = []
        token: str | None = None
        while len(rows) < limit:
            answer = client.get(
                "/v1/producers",
                producer=producer,
                verdict=verdict,
                page_size=min(limit - len(rows), 1000),
                page_token=token,
            )
            rows += answer["producers"]
            token = answer["next_page_token"]
            if token is None:
                break
        if producer is not None and not rows:
            _see_that_it_is_known(client, producer, is_asked_of_all=verdict is None)
    if json:
        print_json({**answer, "producers": rows})
        return 0
    if rows:
        answers.print(_table(rows))
    errors.print(_told(answer["totals"], len(rows), is_all=token is None))
    return 0


def _see_that_it_is_known(client: Client, producer: str, *, is_asked_of_all: bool) -> None:
    """Whether none of its sessions has that verdict, or there is none at all. Raises: Failure."""
    if is_asked_of_all or not client.get("/v1/producers", producer=producer, page_size=1)["producers"]:
        told = f"no producer is called {producer!r}, and no session either; without a name all are shown"
        raise Failure(told, NOT_FOUND)


_COLUMNS: Final = {
    "PRODUCER": 12, "VERDICT": 8, "RECEIVED": 8, "MISSING": 7, "REJECTED": 8, "DROPPED": 7, "LAST SEEN (UTC)": 19,
    "WHAT": 16,
}  # fmt: skip
_SPARE: Final = ("LAST SEEN (UTC)", "REJECTED", "DROPPED", "RECEIVED", "MISSING")
"""What a narrow terminal does without, first to last; what is missing stands under WHAT, too."""


def _table(rows: list[dict[str, Any]]) -> Table:
    shown = fitting(_COLUMNS, _SPARE)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in shown:
        is_text = title in {"PRODUCER", "WHAT"}
        is_number = not is_text and title not in {"VERDICT", "LAST SEEN (UTC)"}
        table.add_column(
            title,
            overflow="fold" if is_text else "ellipsis",
            no_wrap=not is_text,
            justify="right" if is_number else "left",
        )
    for row in rows:
        cells = _cells(row)
        table.add_row(*(cells[title] for title in shown))
    return table


def _cells(row: dict[str, Any]) -> dict[str, Text]:
    return {
        "PRODUCER": Text(safe(row["producer"])),
        "VERDICT": Text(row["verdict"], COLOURS.get(row["verdict"], "")),
        "RECEIVED": Text(str(row["received"])),
        "MISSING": _bad(row["missing"]),
        "REJECTED": _bad(row["rejected"]),
        "DROPPED": _bad(_dropped(row)),
        "LAST SEEN (UTC)": Text(moment(row["last_seen"])),
        "WHAT": Text(safe(_what(row))),
    }


def _bad(number: int) -> Text:
    return Text(str(number), "red" if number else "dim")


def _dropped(row: dict[str, Any]) -> int:
    return sum(row["report"]["dropped"].values()) if row["report"] else 0


def _what(row: dict[str, Any]) -> str:
    """What is missing or open, in a few words."""
    told = []
    if row["gaps"]:
        shown = row["gaps"][:_GAPS_SHOWN]
        listed = ", ".join(
            str(gap["from"]) if gap["from"] == gap["to"] else f"{gap['from']}–{gap['to']}" for gap in shown
        )
        further = "" if row["gaps_complete"] and len(row["gaps"]) <= _GAPS_SHOWN else ", …"
        told.append(f"missing {listed}{further}")
    report = row["report"]
    if report is not None:
        told += [
            f"dropped {number} ({reason})" for reason, number in sorted(report["dropped"].items()) if number
        ]
        if report["unsent"]:
            told.append(f"{report['unsent']} not sent yet when it last reported")
    if row["verdict"] == "silent":
        told.append(f"silent for {seconds(row['silent_s'])}" + ("" if report else ", never reported"))
    return "; ".join(told)


def _told(totals: dict[str, int], shown: int, *, is_all: bool) -> str:
    if not totals["sessions"]:
        return "no producer has numbered its records yet"
    lost = ", ".join(
        f"{totals[name]} {word}"
        for name, word in (("missing", "missing"), ("rejected", "rejected"), ("dropped", "dropped"))
        if totals[name]
    )
    further = "" if is_all else "; there are more: --limit"
    return f"{shown} shown of {counted(totals['sessions'], 'sessions')}{further}; in all {lost or 'nothing known to be missing'}"
