"""What a user may say about a log beyond its name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a log is read. What a format does not use is ignored.

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
        delimiter: csv: what separates columns; default: found out from the first line.
        encoding: csv, ocel-csv: the file's encoding.
        timezone: csv, xes, ocel2, ocel-csv: zone of instants without an offset, such as Europe/Berlin.
        time_format: csv, ocel-csv: such as %d.%m.%Y %H:%M:%S; default: ISO 8601.
        time_unit: csv, ocel-csv: s, ms, us or ns, where instants are numbers since 1970.
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
