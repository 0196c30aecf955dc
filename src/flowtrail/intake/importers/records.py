"""NDJSON of records, as the server takes them: handed on line by line, unread. The server judges every record."""

from collections.abc import Iterator
from typing import Final

from flowtrail.intake.importers.files import Source
from flowtrail.intake.importers.options import ImportOptions
from flowtrail.intake.importers.problems import Problem, Problems, Unreadable
from flowtrail.model.limits import MAX_RECORD_BYTES

USES: Final[frozenset[str]] = frozenset()
_BOM: Final = b"\xef\xbb\xbf"


def read(source: Source, _: ImportOptions, problems: Problems) -> Iterator[tuple[int, bytes]]:
    """(line from 1, record); blank lines are passed over."""
    row = 0
    try:
        for row, line in enumerate(source.lines(MAX_RECORD_BYTES), 1):
            if line is None:
                problems(
                    Problem(row, None, None, f"at most {MAX_RECORD_BYTES} bytes", "the record is too long")
                )
                continue
            stripped = line.removeprefix(_BOM).strip() if row == 1 else line.strip()
            if row == 1 and stripped.startswith(b"["):
                problems(
                    Problem(
                        None,
                        None,
                        "a JSON array",
                        "one record a line",
                        "this is not NDJSON; jq -c '.[]' makes it so",
                    )
                )
                return
            if stripped:
                yield row, stripped
    except Unreadable as error:
        problems(error.at(row + 1))
