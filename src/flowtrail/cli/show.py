"""`flowtrail show`: one object's life; why it failed comes first."""

import re
from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from flowtrail.cli.console import answers, errors, print_json, safe, seconds
from flowtrail.cli.failures import NOT_FOUND, Failure
from flowtrail.cli.listing import COLOURS
from flowtrail.cli.target import Client, Target, connected

_ID = re.compile(r"[0-9a-f]{32}")
_MARKS = {
    "succeeded": ("✔", "green"),
    "failed": ("✘", "red"),
    "skipped": ("↷", "yellow"),
    "running": ("▶", "cyan"),
}
_BAR = 32


def command(
    id: Annotated[str, Parameter(help="A transaction's id, or an object's id or key.")],
    /,
    *,
    json: Annotated[bool, Parameter(help="The API's answer.", negative="")] = False,
    target: Target | None = None,
) -> int:
    """Show the life of one transaction; an object's id shows its newest."""
    with connected(target or Target()) as client:
        found = _find(client, id)
        lineage = client.get(f"/v1/transactions/{found['id']}/lineage")
    if json:
        print_json(found)
        return 0
    for line in life(found, lineage):
        answers.print(line)
    return 0


def _find(client: Client, text: str) -> dict[str, Any]:
    if _ID.fullmatch(text):
        return dict(client.get(f"/v1/transactions/{text}"))
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    page = client.get("/v1/transactions", q=quoted, page_size=2)
    if not page["transactions"]:
        raise Failure(f"nothing is known of {text!r}: neither an id, an object id nor a key", NOT_FOUND)
    if page["total"] > 1:
        errors.print(f"{page['total']} transactions match; this is the newest. All: flowtrail list {quoted}")
    return dict(client.get(f"/v1/transactions/{page['transactions'][0]['id']}"))


def life(found: dict[str, Any], lineage: dict[str, Any] | None = None) -> list[Text]:
    """The lines that tell a transaction's life."""
    lines = [_headline(found)]
    blocks = found["blocks"]
    for block in blocks:
        if block["status"] == "failed":
            lines += _failure(block)
    lines.append(Text())
    lines += [_step(block, _span(found, blocks)) for block in blocks]
    lines += _ending(found)
    for relation in ("parents", "children"):
        for link in (lineage or {}).get(relation, ()):
            lines.append(
                Text(
                    f"  {relation[:-1] if relation == 'parents' else 'child'}  {link['relation']}  {link['id']}",
                    "dim",
                )
            )
    return lines


def _headline(found: dict[str, Any]) -> Text:
    name = (
        f"{found['object_type']} {found['object_id']}"
        if found["announced"]
        else "transaction nobody announced"
    )
    line = Text(safe(name), style="bold")
    line.append(f"  {found['status']}", style=f"bold {COLOURS.get(found['status'], '')}")
    if found["duration_s"] is not None:
        line.append(f" after {seconds(found['duration_s'])}")
    if found["current_block"]:
        line.append(f", at {safe(found['current_block'])}")
    line.append(f"\n  {safe(found['flow'] or 'no flow')}", style="dim")
    if found["version"]:
        line.append(f" version {safe(found['version'])}", style="dim")
    line.append(f"  attempt {found['attempt']}  {found['id']}", style="dim")
    for name, value in found["keys"].items():
        line.append(f"\n  {safe(name)}: {safe(value)}", style="dim")
    return line


def _failure(block: dict[str, Any]) -> list[Text]:
    lines = [
        Text(
            f"✘ {safe(block['block'])} failed at {block['ended_at'] or block['started_at'] or 'an unknown instant'}",
            "red",
        )
    ]
    for exception in block["exceptions"]:
        indent, held = "    ", exception
        while held:
            lines.append(Text(f"{indent}{safe(held['type'])}: {safe(held.get('message') or '')}", "red"))
            for frame in held.get("frames") or ():
                place = f"{frame.get('file') or frame.get('module')}:{frame.get('line')} in {frame.get('function')}"
                lines.append(Text(f"{indent}  {safe(place)}", "" if frame.get("in_app") else "dim"))
            if held.get("stacktrace") and not held.get("frames"):
                lines += [
                    Text(f"{indent}  {safe(row)}", "dim") for row in held["stacktrace"].splitlines()[-8:]
                ]
            held, indent = held.get("cause"), indent + "  caused by "
    return lines


def _span(found: dict[str, Any], blocks: list[dict[str, Any]]) -> float:
    total = sum((block["wait_s"] or 0) + (block["work_s"] or 0) for block in blocks)
    return max(found["duration_s"] or 0, total) or 1.0


def _step(block: dict[str, Any], span: float) -> Text:
    mark, colour = _MARKS.get(block["status"], ("·", "dim"))
    wait, work = block["wait_s"] or 0, block["work_s"] or 0
    line = Text(f"  {mark} ", style=colour)
    line.append(f"{safe(block['block']):<28}")
    line.append(f"{block['started_at'] or block['ended_at'] or block['queued_at'] or '':<28}", style="dim")
    line.append("░" * round(wait / span * _BAR), style="dim")
    line.append("█" * round(work / span * _BAR), style=colour)
    told = []
    if block["wait_s"] is not None:
        told.append(f"waited {seconds(wait)}")
    if block["work_s"] is not None:
        told.append(f"worked {seconds(work)}")
    if block["attempt"] > 1:
        told.append(f"attempt {block['attempt']}")
    line.append(f" {', '.join(told)}", style="dim")
    if block["skip"]:
        skip = block["skip"]
        line.append(f"\n      skipped by {safe(skip['predicate'])}", style="yellow")
        if skip.get("expected") is not None or skip.get("actual") is not None:
            line.append(
                f": expected {safe(skip.get('expected'))}, was {safe(skip.get('actual'))}", style="yellow"
            )
    return line


def _ending(found: dict[str, Any]) -> list[Text]:
    lines = []
    if found["status"] == "in_transit":
        lines.append(Text(f"  … still in transit, last heard of at {found['updated_at']}", "cyan"))
    else:
        told = f"  {found['status']} at {found['ended_at']}"
        for name in ("predicate", "reason"):
            if found[name]:
                told += f", {name}: {safe(found[name])}"
        lines.append(Text(told, COLOURS.get(found["status"], "")))
    if found["truncated"]:
        lines.append(Text("  some of it was cut: more than is kept of one transaction", "yellow"))
    return lines
