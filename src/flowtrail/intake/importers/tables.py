"""Rows of comma-separated text: decoded, split, by column name; a bad row is told and left out."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from flowtrail.intake.importers.files import ChunkReader, Source
from flowtrail.intake.importers.options import ImportOptions
from flowtrail.intake.importers.problems import Problem, Problems, Unreadable
from flowtrail.model.errors import Refusal, shorten
from flowtrail.model.limits import MAX_RECORD_BYTES

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(\.[0-9]+)?")
_LISTED: Final = 40
"""Names of columns that a message lists; a file may have thousands, and any length of them where it is no table."""
_DELIMITERS: Final = (",", ";", "\t", "|")


class Table:
    """A file with a header line. Iterating gives (row from 1, its cells); rows with another number of cells, or that
    are not text in the file's encoding, are told to `problems`."""

    def __init__(self, source: Source, options: ImportOptions, problems: Problems) -> None:
        self._problems = problems
        self._encoding = options.encoding
        self._row = 0
        try:
            text = io.TextIOWrapper(
                io.BufferedReader(ChunkReader(source.chunks()), 64 * 1024),
                _encoding(options.encoding),
                errors="surrogateescape",
                newline="",
            )
        except LookupError:
            raise Refusal(
                "invalid_option",
                f"there is no encoding {options.encoding!r}; allowed: a name such as utf-16 or latin-1",
                "encoding",
                options.encoding,
            ) from None
        csv.field_size_limit(MAX_RECORD_BYTES)
        self.is_read = True
        """Whether there is a header; where not, that was told, and nobody should look for columns."""
        try:
            self._at_end = False
            lines, held = self._lines(text), list[str]()
            delimiter = _delimiter(options.delimiter) or _guessed(lines, held)
            self._rows = csv.reader(chain(held, lines, self._end()), delimiter=delimiter)
            header = _header(self._rows)
        except Unreadable as error:
            problems(error.at(None))
            header, self.is_read = [], False
        except csv.Error as error:
            problems(Problem(None, None, None, "a header whose quotes are closed", str(error)))
            header, self.is_read = [], False
        self._width = len(header)
        self.columns: dict[str, int] = {}
        """By name; one without a name cannot be meant."""
        for index, name in enumerate(map(str.strip, header)):
            if name in self.columns:
                raise Refusal(
                    "repeated_column",
                    f"the column {shorten(name)!r} stands twice in the first line",
                    "file",
                    name,
                )
            if name:
                self.columns[name] = index

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        if not self.columns:
            return
        width = self._width
        while True:
            self._row += 1
            try:
                cells = next(self._rows)
            except StopIteration:
                return
            except Unreadable as error:
                self._problems(error.at(self._row))
                return
            except csv.Error as error:
                self._problems(
                    Problem(
                        self._row, None, None, f"cells of at most {MAX_RECORD_BYTES} characters", str(error)
                    )
                )
                continue
            row = self._row
            if self._at_end:
                # The reader asked for one more line to end this row, and gives it as if it had come.
                self._problems(
                    Problem(
                        row,
                        None,
                        None,
                        "cells whose quotes are closed",
                        "a quote is not closed: what stands from it to the end of the file is left out",
                    )
                )
            elif not cells:
                self._row -= 1
            elif len(cells) != width:
                self._problems(
                    Problem(
                        row,
                        None,
                        f"{len(cells)} cells",
                        f"{width} cells, as in the first line",
                        "cells are missing or too many",
                    )
                )
            elif any(not cell.isascii() and is_broken(cell) for cell in cells):
                self._problems(
                    Problem(row, None, None, "text in the file's --encoding", "the row is not valid text")
                )
            else:
                yield row, cells

    def _lines(self, text: io.TextIOWrapper) -> Iterator[str]:
        """Lines of bounded length: a file without line ends must not be read whole. Raises: Unreadable."""
        while line := _read_line(text):
            if len(line) < MAX_RECORD_BYTES or line.endswith("\n"):
                yield line
                continue
            while line and not line.endswith("\n"):
                line = _read_line(text)
            self._problems(
                Problem(
                    self._row or None,
                    None,
                    None,
                    f"at most {MAX_RECORD_BYTES} characters",
                    "a line is too long and left out",
                )
            )
            # It was a row, as far as anybody can see; the first line is none.
            self._row += bool(self._row)

    def _end(self) -> Iterator[str]:
        """What stands behind the last line: nothing, but it is seen that somebody asked."""
        self._at_end = True
        yield from ()

    def column(self, name: str, flag: str) -> int:
        """The position of a column that must be there. Raises: Refusal."""
        if name in self.columns:
            return self.columns[name]
        raise self.missing(f"there is no column {name!r} for {flag}", flag, name)

    def check_names(self) -> None:
        """For who tells of every column. Raises: Refusal (a name is no text in the file's encoding)."""
        for name in filter(is_broken, self.columns):
            told = (
                f"the first line is no text in {self._encoding}: say which it is, such as --encoding latin-1"
            )
            raise Refusal("invalid_text", told, "encoding", name)

    def missing(self, told: str, field: str, received: str | None = None) -> Refusal:
        """That there is no such column, with those that there are."""
        listed = ", ".join(
            [*map(_shown, islice(self.columns, _LISTED)), *["…"][: len(self.columns) > _LISTED]]
        )
        listed = listed or "none: the file is empty"
        hint = ""
        if any("\0" in name or is_broken(name) for name in self.columns):
            hint = f"; that is no text in {self._encoding}: say which it is, such as --encoding utf-16 or latin-1"
        return Refusal("missing_column", f"{told}; the file has: {listed}{hint}", field, received, listed)


def _read_line(text: io.TextIOWrapper) -> str:
    try:
        return text.readline(MAX_RECORD_BYTES)
    except UnicodeError as error:
        # Encodings that are no extension of ASCII have no place for bytes that are not theirs.
        raise Unreadable(
            None, f"from here on the file is not valid text: {error}", None, "text in the file's --encoding"
        ) from None


def _encoding(name: str) -> str:
    return "utf-8-sig" if name.lower().replace("_", "-") in {"utf-8", "utf8"} else name


def _delimiter(wanted: str | None) -> str | None:
    if wanted is None:
        return None
    delimiter = {"\\t": "\t", "tab": "\t"}.get(wanted, wanted)
    if len(delimiter) != 1:
        raise Refusal(
            "invalid_option", f"the delimiter must be one character, not {wanted!r}", "delimiter", wanted
        )
    return delimiter


def _guessed(lines: Iterator[str], held: list[str]) -> str:
    """What parts the header into most names, quoted ones whole; the lines that took go to `held`."""

    def again() -> Iterator[str]:
        yield from held[:]
        for line in lines:
            held.append(line)
            yield line

    def names(delimiter: str) -> tuple[int, int]:
        try:
            header = _header(csv.reader(again(), delimiter=delimiter))
        except csv.Error:
            return -MAX_RECORD_BYTES, 0
        # A quote is left inside a cell where what stands before it is none that parts cells.
        return -sum(name.count('"') for name in header), len(header)

    return max(_DELIMITERS, key=names)


def _header(rows: Iterator[list[str]]) -> list[str]:
    """The first row that is not blank."""
    return next(filter(None, rows), [])


def _shown(name: str) -> str:
    return shorten(name, 60) or ""


def is_broken(cell: str) -> bool:
    """Whether the text holds what is no character: half of one, or a byte that is none of its encoding."""
    return any("\ud800" <= character <= "\udfff" for character in cell)


def number_or_text(text: str) -> float | int | str:
    """A number where one of JSON stands there, and one that every store can hold; else the text: "007" is no number."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return text
    return float(text) if found[1] else int(text)
