"""A transaction's life as lines of text: the failure first, then a timeline of waits and work.

One telling for the command line, which gives it colours, and for the failures of an application's tests, which do
not. It works on answers of the API, or on `projection.shown`.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple
from unicodedata import category, east_asian_width

WIDE: Final = 1_000
"""Columns where nothing limits them."""

_MARKS: Final = {"succeeded": "✔", "failed": "✘", "skipped": "↷", "running": "▶"}
_WIDTH: Final = 40
_NAME: Final = 30
_LONGEST_NAME: Final = 64
_TOLD: Final = 40
"""Columns for what is told behind the bars."""
_FAILURES: Final = 3
"""Told in full; the timeline shows the others."""
_STACK_LINES: Final = 8
_RELATIVES: Final = 8
_JOINERS: Final = "\u200c\u200d"
_MANY_DAYS: Final = 999.5
"""From which on three digits would be written with an exponent."""

Json = dict[str, Any]


class Piece(NamedTuple):
    """Text of one look; `style` is a status, QUIET, STRONG, WARNING, or several of them with spaces between."""

    text: str
    style: str = ""


Line = list[Piece]

QUIET: Final = "quiet"
STRONG: Final = "strong"
WARNING: Final = "warning"


def plain(lines: list[Line]) -> str:
    """The lines as text, without any style."""
    return "\n".join("".join(piece.text for piece in line).rstrip() for line in lines)


def safe(text: Any) -> str:
    """Foreign text without control characters: a terminal must not obey what a producer wrote. Spaces of every width,
    and what joins letters and signs to one or keeps them apart, belong to what is written."""
    return "".join(
        c if c.isprintable() or c in _JOINERS or category(c) == "Zs" else "\ufffd" for c in str(text)
    )


def told_seconds(value: float | None) -> str:
    """A duration as people read it."""
    if value is None:
        return ""
    if value < 0:
        return f"-{told_seconds(-value)}"
    if value < 0.001:
        return f"{value * 1e6:.0f} µs"
    if value < 1:
        return f"{value * 1e3:.4g} ms"
    if value < 120:
        return f"{value:.4g} s"
    if value < 7200:
        return f"{value / 60:.3g} min"
    if value < 172_800:
        return f"{value / 3600:.3g} h"
    days = value / 86_400
    return f"{days:.3g} d" if days < _MANY_DAYS else f"{days:,.0f} d"


def name_of(row: Json) -> str:
    """What people call the object."""
    return f"{row['object_type']} {row['object_id']}" if row["announced"] else "(not announced)"


def life(found: Json, lineage: Json, width: int = WIDE) -> list[Line]:
    """The lines that tell a transaction's life, in so many columns. `found` and `lineage` are the API's answers."""
    lines = _headline(found)
    failed = [block for block in found["blocks"] if block["status"] == "failed"]
    for block in failed[: -_FAILURES - 1 : -1]:
        lines += _failure(block)
    if len(failed) > _FAILURES:
        lines.append([Piece(f"  … and {len(failed) - _FAILURES} more failed executions", "failed")])
    lines.append([])
    if found["blocks"]:
        lines += _timeline(found, width)
    lines += _ending(found)
    for relation, word in (("parents", "from"), ("children", "to")):
        lines += _relatives(lineage[relation], word)
    return lines


def _headline(found: Json) -> list[Line]:
    line = [Piece(safe(name_of(found)), STRONG), Piece(f"  {found['status']}", f"{STRONG} {found['status']}")]
    about = ""
    if found["duration_s"] is not None:
        about += f" after {told_seconds(found['duration_s'])}"
    if found["current_block"]:
        about += f", at {safe(found['current_block'])}"
    line.append(Piece(about, STRONG))
    about = f"  {safe(found['flow'] or 'no flow')}"
    if found["version"]:
        about += f" version {safe(found['version'])}"
    if found["attempt"] > 1:
        about += f", attempt {found['attempt']}"
    progress = found.get("progress") or {}
    if progress.get("expected"):
        about += f", {progress['done']} of {progress['expected']} blocks done"
    lines = [line, [Piece(f"{about}  {found['id']}", QUIET)]]
    for name, value in [*found["keys"].items(), *found["attributes"].items()]:
        lines.append([Piece(f"  {safe(name)}: {safe(value)}", QUIET)])
    return lines


def _failure(block: Json) -> list[Line]:
    at = block["ended_at"] or block["started_at"] or "an unknown instant"
    attempt = f" on attempt {block['attempt']}" if block["attempt"] > 1 else ""
    lines = [[Piece(f"✘ {safe(block['block'])} failed{attempt} at {at}", f"{STRONG} failed")]]
    for exception in block["exceptions"]:
        indent, held = "    ", exception
        while held:
            message = f": {safe(held['message'])}" if held.get("message") else ""
            lines.append([Piece(f"{indent}{safe(held['type'])}{message}", "failed")])
            lines += _stack(held, indent + "  ")
            held, indent = held.get("cause"), "    caused by "
    for name, value in block["details"].items():
        lines += _detail(name, value)
    return lines


def _detail(name: str, value: Any) -> list[Line]:
    if type(value) is list and value and all(type(each) is str for each in value):
        # Lines of a log, most likely.
        return [
            [Piece(f"    {safe(name)}:", QUIET)],
            *([Piece(f"      {safe(each)}", QUIET)] for each in value),
        ]
    return [[Piece(f"    {safe(name)}: {safe(value)}", QUIET)]]


def _stack(exception: Json, indent: str) -> list[Line]:
    lines = []
    indent = " " * len(indent)
    for frame in exception.get("frames") or ():
        place = safe(frame.get("file") or frame.get("module") or "?")
        if frame.get("line") is not None:
            place += f":{frame['line']}"
        if frame.get("function"):
            place += f" in {safe(frame['function'])}"
        lines.append([Piece(f"{indent}{place}", "" if frame.get("in_app") else QUIET)])
    if not lines and exception.get("stacktrace"):
        rows = exception["stacktrace"].splitlines()
        lines = [[Piece(f"{indent}{safe(row)}", QUIET)] for row in rows[-_STACK_LINES:]]
    return lines


def _timeline(found: Json, columns: int) -> list[Line]:
    blocks = found["blocks"]
    depths = _depths(blocks)
    axis = _Axis(found)
    names = [_name(block, depths[block["id"]]) for block in blocks]
    room = min(columns - _WIDTH - _TOLD, _LONGEST_NAME)
    width = max(_NAME, min(max(map(_columns, names)), room))
    lines = [[Piece(f"    {'':<{width}} {axis.first_told:<{_WIDTH}} ░ waits  █ works", QUIET)]]
    for block, name in zip(blocks, names, strict=True):
        lines += _step(block, axis, name, width)
    return lines


def _name(block: Json, depth: int) -> str:
    return "  " * min(depth, 6) + safe(block["block"] or "(unnamed)")


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes: letters of East Asia two, what joins or marks the one before none."""
    return sum(
        0 if c in _JOINERS or category(c) in {"Mn", "Me"} else 2 if east_asian_width(c) in "WF" else 1
        for c in text
    )


def _fitting(name: str, width: int) -> str:
    """The name, cut where it takes more columns."""
    if _columns(name) <= width:
        return name
    while _columns(name) >= width:
        name = name[:-1]
    return f"{name}…"


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


def _step(block: Json, axis: _Axis, name: str, width: int) -> list[Line]:
    status = block["status"]
    mark = _MARKS.get(status, "·")
    shown = _fitting(name, width)
    padding = " " * (width - _columns(shown))
    line = [Piece(f"  {mark} ", status), Piece(f"{shown}{padding} "), *_bar(block, axis)]
    told = []
    if block["wait_s"]:
        told.append(f"waited {told_seconds(block['wait_s'])}")
    if block["work_s"] is not None:
        told.append(f"worked {told_seconds(block['work_s'])}")
    if block["attempt"] > 1:
        told.append(f"attempt {block['attempt']}")
    if status in {"running", "pending"}:
        told.append(status)
    line.append(Piece(f" {', '.join(told)}", QUIET))
    return [line, [Piece(_skip(block["skip"]), "skipped")]] if block["skip"] else [line]


def _bar(block: Json, axis: _Axis) -> Line:
    """░ from queued to started, █ from started to ended: at least one place for what is known."""
    started = block["started_at"] or block["ended_at"]
    first = block["queued_at"] or started
    if first is None:
        return [Piece(" " * _WIDTH)]
    begin = axis.place(first)
    work = max(axis.place(started), begin) if started else _WIDTH
    end = max(axis.place(block["ended_at"]), work) if block["ended_at"] else work
    if not started:
        work, end = begin + 1, begin
    return [
        Piece(" " * begin),
        Piece("░" * (work - begin), QUIET),
        Piece("█" * (end - work + 1), block["status"]),
        Piece(" " * (_WIDTH - max(end + 1, work))),
    ]


def _skip(skip: Json) -> str:
    told = f"      skipped by {safe(skip['predicate'])}"
    if skip.get("reason"):
        told += f" ({safe(skip['reason'])})"
    if "expected" in skip or "actual" in skip:
        told += f": expected {safe(skip.get('expected'))}, was {safe(skip.get('actual'))}"
    return told


def _ending(found: Json) -> list[Line]:
    lines = []
    if found["status"] == "in_transit":
        told = f"  … still in transit, last heard of at {found['updated_at']}"
    else:
        told = f"  {found['status']} at {found['ended_at']}"
        for name in ("predicate", "reason"):
            if found[name]:
                told += f", {name}: {safe(found[name])}"
    lines.append([Piece(told, found["status"])])
    if found["truncated"]:
        lines.append([Piece("  some of it was cut: more than is kept of one transaction", WARNING)])
    lines += [
        [Piece(f"  a record could not be used: {safe(entry['reason'])}", WARNING)]
        for entry in found.get("set_aside") or ()
    ]
    return lines


def _relatives(links: list[Json], word: str) -> list[Line]:
    lines = []
    for link in links[:_RELATIVES]:
        other = link["transaction"]
        name = f"{name_of(other)}, {other['status']}" if other else "(not known yet)"
        lines.append([Piece(f"  {link['relation']} {word} {safe(name)}  {link['id']}", QUIET)])
    if len(links) > _RELATIVES:
        lines.append([Piece(f"  … and {len(links) - _RELATIVES} more ({word})", QUIET)])
    return lines
