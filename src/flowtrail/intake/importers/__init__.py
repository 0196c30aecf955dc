"""Logs of other systems as records: one importer a file, each a stream of (row, record).

file -> bytes (`files`) -> rows -> statements (the importer) -> bodies of requests (`batches`). An importer holds as
little as its format allows, says neither producer nor sequence, and derives every id from what the log says, so that
importing a log again changes nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

from flowtrail.intake.importers.batches import Batch, grouped
from flowtrail.intake.importers.files import Source
from flowtrail.intake.importers.options import ImportOptions, check_options
from flowtrail.intake.importers.problems import Problem
from flowtrail.model.errors import Refusal

__all__ = ["FORMATS", "Batch", "ImportOptions", "Problem", "open_import"]

FORMATS: Final = ("records", "xes", "ocel2", "ocel-csv", "spans-parquet", "csv")


def open_import(
    format: str,
    file: Path,
    options: ImportOptions,
    problems: Callable[[Problem], None],
    counts: Counter[str] | None = None,
) -> Iterator[Batch]:
    """The records of a file as bodies of requests, read as they are asked for; `-` is standard input.

    Every row that cannot be used is told to `problems`, and the rest goes on. What is kept though it is odd is added
    up in `counts` by what that is.
    Raises: Refusal (no such format, options it does not use, options or columns that cannot be meant, no reader for
    the compression).
    """
    if format not in FORMATS:
        allowed = ", ".join(FORMATS)
        raise Refusal(
            "unknown_format", f"there is no format {format!r}; allowed: {allowed}", "format", format, allowed
        )
    importer = import_module(f"{__name__}.{format.replace('-', '_')}")
    check_options(format, options, importer.USES)
    source = Source(file)
    if counts is not None:
        source.counts = counts
    return grouped(importer.read(source, options, problems), source)
