"""`flowtrail tail`: what changes, as it changes; survives a restart of the server."""

from collections.abc import Iterator
from typing import Annotated, Any

import httpx2
import msgspec
from cyclopts import Parameter
from rich.text import Text

from flowtrail.cli.console import answers, errors, json_text, safe, seconds
from flowtrail.cli.failures import Failure
from flowtrail.cli.listing import COLOURS
from flowtrail.cli.queries import query_text
from flowtrail.cli.replies import check_stream
from flowtrail.cli.target import Client, Target, connected
from flowtrail.model.clock import sleep_s
from flowtrail.projection.life import name_of

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0


def command(
    *query: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True, help="Words of the query language; without time-dependent ones (is:)."
        ),
    ],
    json: Annotated[bool, Parameter(help="One JSON object a line.")] = False,
    target: Target | None = None,
) -> int:
    """Follow transactions that match QUERY until Ctrl-C."""
    with connected(target or Target()) as client:
        for kind, data in follow(client, query_text(query) or ""):
            if json:
                print(json_text(msgspec.json.encode({"event": kind, **data})), flush=True)
            elif kind == "match":
                answers.print(_line(data))
            elif kind == "reset":
                errors.print("the server could not resume; what changed in between is not shown here")
    return 0


def follow(client: Client, query: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Events (name, data) without end; once connected it connects again, with the last event's id.

    Raises: Failure (refused, or nobody answers the first time).
    """
    last: str | None = None
    pause = _FIRST_PAUSE_S
    lost = connected_once = False
    while True:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        try:
            with client.http.stream(
                "GET", "/v1/live", params={"q": query}, headers=headers, timeout=40
            ) as answer:
                if answer.status_code >= 500 and connected_once:
                    raise httpx2.ReadError(f"{answer.status_code}")
                check_stream(client.url, answer, "text/event-stream")
                if lost:
                    errors.print("connected again")
                lost, connected_once, pause = False, True, _FIRST_PAUSE_S
                for event in _events(_lines(answer.iter_text())):
                    last = event.get("id", last)
                    if "event" in event:
                        yield event["event"], msgspec.json.decode(event.get("data") or "{}")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            if not connected_once:
                raise Failure(
                    f"{client.url} does not answer: {str(error) or type(error).__name__}"
                ) from error
            if not lost:
                errors.print(f"the connection is lost ({str(error) or type(error).__name__}); trying again")
            lost = True
        sleep_s(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_S)


def _lines(texts: Iterator[str]) -> Iterator[str]:
    """The lines of a stream. The client's own reading would end one at U+2028 and its like, too, which JSON leaves as
    they are in the names of objects."""
    held = ""
    for text in texts:
        *whole, held = (held + text).split("\n")
        yield from (line.removesuffix("\r") for line in whole)


def _events(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """Server-sent events as the WHATWG standard parses them, less what we never send (`retry`)."""
    event: dict[str, str] = {}
    for line in lines:
        if not line:
            if event:
                yield event
            event = {}
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and "data" in event:
            event["data"] += "\n" + value
        elif name in ("data", "event", "id"):
            event[name] = value


def _line(row: dict[str, Any]) -> Text:
    status = row["status"]
    line = Text(f"{row['updated_at']}  ", "dim")
    line.append(f"{status:<10}", COLOURS.get(status, ""))
    line.append(f"  {safe(name_of(row))}  ")
    line.append(f"{safe(row['flow'] or '')}", "dim")
    if row["current_block"]:
        line.append(f"  at {safe(row['current_block'])}")
    if row["duration_s"] is not None:
        line.append(f"  {seconds(row['duration_s'])}", "dim")
    line.append(f"  {row['id']}", "dim")
    return line
