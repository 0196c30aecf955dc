"""A transaction's life as lines of a terminal: the failure first, then a timeline of waits and work."""

from datetime import datetime
from typing import Any, Final

from rich.text import Text

from flowtrail.cli.console import answers, safe, seconds
from flowtrail.cli.listing import COLOURS, name_of

_MARKS: Final = {
    "succeeded": ("✔", "green"),
    "failed": ("✘", "red"),
    "skipped": ("↷", "yellow"),
    "running": ("▶", "cyan"),
}
_WIDTH: Final = 40
_NAME: Final = 30
_LONGEST_NAME: Final = 64
_TOLD: Final = 40
"""Columns for what is told behind the bars."""
_FAILURES: Final = 3
"""Told in full; the timeline shows the others."""
_STACK_LINES: Final = 8
_RELATIVES: Final = 8

Json = dict[str, Any]


def life(found: Json, lineage: Json | None = None) -> list[Text]:
    """The lines that tell a transaction's life. `found` and `lineage` are the API's answers."""
    lines = _headline(found)
    failed = [block for block in found["blocks"] if block["status"] == "failed"]
    for block in failed[: -_FAILURES - 1 : -1]:
        lines += _failure(block)
    if len(failed) > _FAILURES:
        lines.append(Text(f"  … and {len(failed) - _FAILURES} more failed executions", "red"))
    lines.append(Text())
    if found["blocks"]:
        lines += _timeline(found)
    lines += _ending(found)
    for relation, word in (("parents", "from"), ("children", "to")):
        lines += _relatives((lineage or {}).get(relation, []), word)
    return lines


def _headline(found: Json) -> list[Text]:
    line = Text(safe(name_of(found)), style="bold")
    line.append(f"  {found['status']}", style=f"bold {COLOURS.get(found['status'], '')}")
    if found["duration_s"] is not None:
        line.append(f" after {seconds(found['duration_s'])}")
    if found["current_block"]:
        line.append(f", at {safe(found['current_block'])}")
    about = f"  {safe(found['flow'] or 'no flow')}"
    if found["version"]:
        about += f" version {safe(found['version'])}"
    if found["attempt"] > 1:
        about += f", attempt {found['attempt']}"
    progress = found.get("progress") or {}
    if progress.get("expected"):
        about += f", {progress['done']} of {progress['expected']} blocks done"
    lines = [line, Text(f"{about}  {found['id']}", "dim")]
    for name, value in [*found["keys"].items(), *found["attributes"].items()]:
        lines.append(Text(f"  {safe(name)}: {safe(value)}", "dim"))
    return lines


def _failure(block: Json) -> list[Text]:
    at = block["ended_at"] or block["started_at"] or "an unknown instant"
    attempt = f" on attempt {block['attempt']}" if block["attempt"] > 1 else ""
    lines = [Text(f"✘ {safe(block['block'])} failed{attempt} at {at}", "bold red")]
    for exception in block["exceptions"]:
        indent, held = "    ", exception
        while held:
            message = f": {safe(held['message'])}" if held.get("message") else ""
            lines.append(Text(f"{indent}{safe(held['type'])}{message}", "red"))
            lines += _stack(held, indent + "  ")
            held, indent = held.get("cause"), "    caused by "
    for name, value in block["details"].items():
        lines.append(Text(f"    {safe(name)}: {safe(value)}", "dim"))
    return lines


def _stack(exception: Json, indent: str) -> list[Text]:
    lines = []
    indent = " " * len(indent)
    for frame in exception.get("frames") or ():
        place = safe(frame.get("file") or frame.get("module") or "?")
        if frame.get("line") is not None:
            place += f":{frame['line']}"
        if frame.get("function"):
            place += f" in {safe(frame['function'])}"
        lines.append(Text(f"{indent}{place}", "" if frame.get("in_app") else "dim"))
    if not lines and exception.get("stacktrace"):
        rows = exception["stacktrace"].splitlines()
        lines = [Text(f"{indent}{safe(row)}", "dim") for row in rows[-_STACK_LINES:]]
    return lines


def _timeline(found: Json) -> list[Text]:
    blocks = found["blocks"]
    depths = _depths(blocks)
    axis = _Axis(found)
    names = [_name(block, depths[block["id"]]) for block in blocks]
    room = min(answers.width - _WIDTH - _TOLD, _LONGEST_NAME)
    width = max(_NAME, min(max(map(len, names)), room))
    head = Text(f"    {'':<{width}} {axis.first_told:<{_WIDTH}} ░ waits  █ works", "dim")
    return [head, *(_step(block, axis, name, width) for block, name in zip(blocks, names, strict=True))]


def _name(block: Json, depth: int) -> str:
    return "  " * min(depth, 6) + safe(block["block"] or "(unnamed)")


def _depths(blocks: list[Json]) -> dict[str, int]:
    """How deep each execution is nested; a circle of parents ends the counting."""
    parents = {block["id"]: block["parent"] for block in blocks}
    depths = {}
    for key, parent in parents.items():
        depth, above, seen = 0, parent, {key}
        while above in parents and above not in seen:
            seen.add(above)
            depth, above = depth + 1, parents[above]
        depths[key] = depth
    return depths


class _Axis:
    """Where instants stand on a line of `_WIDTH` places, from the first to the last that is known."""

    def __init__(self, found: Json) -> None:
        texts = [found.get("opened_at"), found["created_at"], found["ended_at"]]
        for block in found["blocks"]:
            texts += [block["queued_at"], block["started_at"], block["ended_at"]]
        known = sorted(text for text in texts if text)
        self.first_told = known[0] if known else ""
        self._first = _s(known[0]) if known else 0.0
        self._span = (_s(known[-1]) - self._first if known else 0.0) or 1.0

    def place(self, text: str) -> int:
        """The place of an instant, from 0."""
        return min(int((_s(text) - self._first) / self._span * _WIDTH), _WIDTH - 1)


def _s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _step(block: Json, axis: _Axis, name: str, width: int) -> Text:
    mark, colour = _MARKS.get(block["status"], ("·", "dim"))
    line = Text(f"  {mark} ", style=colour)
    line.append(f"{name if len(name) <= width else name[: width - 1] + '…':<{width}} ")
    _bar(line, block, axis, colour)
    told = []
    if block["wait_s"]:
        told.append(f"waited {seconds(block['wait_s'])}")
    if block["work_s"] is not None:
        told.append(f"worked {seconds(block['work_s'])}")
    if block["attempt"] > 1:
        told.append(f"attempt {block['attempt']}")
    if block["status"] in {"running", "pending"}:
        told.append(block["status"])
    line.append(f" {', '.join(told)}", style="dim")
    if block["skip"]:
        line.append(_skip(block["skip"]), style="yellow")
    return line


def _bar(line: Text, block: Json, axis: _Axis, colour: str) -> None:
    """░ from queued to started, █ from started to ended: at least one place for what is known."""
    started = block["started_at"] or block["ended_at"]
    first = block["queued_at"] or started
    if first is None:
        line.append(" " * _WIDTH)
        return
    begin = axis.place(first)
    work = max(axis.place(started), begin) if started else _WIDTH
    end = max(axis.place(block["ended_at"]), work) if block["ended_at"] else work
    if not started:
        work, end = begin + 1, begin
    line.append(" " * begin)
    line.append("░" * (work - begin), style="dim")
    line.append("█" * (end - work + 1), style=colour)
    line.append(" " * (_WIDTH - max(end + 1, work)))


def _skip(skip: Json) -> str:
    told = f"\n      skipped by {safe(skip['predicate'])}"
    if skip.get("reason"):
        told += f" ({safe(skip['reason'])})"
    if "expected" in skip or "actual" in skip:
        told += f": expected {safe(skip.get('expected'))}, was {safe(skip.get('actual'))}"
    return told


def _ending(found: Json) -> list[Text]:
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
    lines += [
        Text(f"  a record could not be used: {safe(entry['reason'])}", "yellow")
        for entry in found.get("set_aside") or ()
    ]
    return lines


def _relatives(links: list[Json], word: str) -> list[Text]:
    lines = []
    for link in links[:_RELATIVES]:
        other = link["transaction"]
        name = f"{name_of(other)}, {other['status']}" if other else "(not known yet)"
        lines.append(Text(f"  {link['relation']} {word} {safe(name)}  {link['id']}", "dim"))
    if len(links) > _RELATIVES:
        lines.append(Text(f"  … and {len(links) - _RELATIVES} more ({word})", "dim"))
    return lines
