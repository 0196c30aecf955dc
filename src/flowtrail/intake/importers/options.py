"""What a user may say about a log beyond its name."""

from dataclasses import dataclass, fields
from typing import Final

from flowtrail.intake.fields import check_name
from flowtrail.model.errors import Refusal


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a log is read. What a format does not use is refused by `open_import`.

    Args:
        source: Part of every id; the same log under the same source changes nothing. Default: the format's name.
        flow: The flow's name; default: the format's own.
        object_type: The type of the objects; default: the format's own.
        case: csv: column of the object's id.
        activity: csv: column of the block's name.
        start: csv: column of the instant work began.
        end: csv: column of the instant work ended; without it a row is an event without duration.
        queued: csv: column of the instant since when it waited.
        status: csv: column of the execution's status.
        status_word: csv: what a word of the log means, such as NOK=failed; repeatable.
        attribute: csv: column that tells about the object; repeatable.
        detail: csv: column that tells about the execution; repeatable.
        key: csv: column to search objects by; repeatable.
        ends: csv, xes, ocel2, ocel-csv: activity that ends an object when it is its last, such as "pay order=delivered".
        relation: ocel2: what a qualifier between objects means, such as comprises=split; repeatable.
        delimiter: csv, ocel-csv: what separates columns; default: found out from the first line.
        encoding: csv, ocel-csv: the file's encoding.
        timezone: csv, xes, ocel2, ocel-csv: zone of instants without an offset, such as Europe/Berlin.
        time_format: csv, xes, ocel2, ocel-csv: such as %d.%m.%Y %H:%M:%S; default: ISO 8601.
        time_unit: csv, xes, ocel2, ocel-csv: s, ms, us or ns, where instants are numbers since 1970.
    """

    source: str | None = None
    flow: str | None = None
    object_type: str | None = None
    case: str | None = None
    activity: str | None = None
    start: str | None = None
    end: str | None = None
    queued: str | None = None
    status: str | None = None
    status_word: tuple[str, ...] = ()
    attribute: tuple[str, ...] = ()
    detail: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    relation: tuple[str, ...] = ()
    delimiter: str | None = None
    encoding: str = "utf-8"
    timezone: str | None = None
    time_format: str | None = None
    time_unit: str | None = None


NAMING: Final = frozenset({"source", "flow", "object_type"})
OF_INSTANTS: Final = frozenset({"timezone", "time_format", "time_unit"})
OF_TABLES: Final = frozenset({"delimiter", "encoding"})


def check_options(format: str, options: ImportOptions, used: frozenset[str]) -> None:
    """See that nothing was said which this format would pass over in silence, or that every record would be refused
    for. Raises: Refusal."""
    for option in fields(options):
        given = getattr(options, option.name)
        if given != option.default and option.name not in used:
            allowed = ", ".join(_flag(each.name) for each in fields(options) if each.name in used)
            raise Refusal(
                "invalid_option",
                f"{_flag(option.name)} says nothing about {format}; allowed: {allowed or 'no option'}",
                option.name,
                given,
                allowed,
            )
        if given is not None and option.name in NAMING:
            _check_name(option.name, given)


def _check_name(option: str, name: str) -> None:
    try:
        check_name(name, option)
    except Refusal as refusal:
        told = (
            f"{_flag(option)}: {refusal.message}; received {refusal.received!r}; allowed: {refusal.allowed}"
        )
        raise Refusal("invalid_option", told, option, name, refusal.allowed) from None


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
