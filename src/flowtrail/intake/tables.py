"""The records of one kind in a batch as a table: what can be checked or made for a whole column is, in C.

A record at a time costs the interpreter a hundred steps; a column costs it one. Rows that a column is not certain of
are named in `doubtful`; whatever stands in them afterwards is never used.
"""

from binascii import unhexlify
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np

from flowtrail.intake.columns import REFUSED, Instants
from flowtrail.intake.repeats import names_kept
from flowtrail.intake.rules import is_producer
from flowtrail.model.errors import Refusal

Column = Sequence[Any]


class NotCertain(Exception):
    """The exact reading has to decide."""


UNCERTAIN: Final = (NotCertain, Refusal, ValueError)


class Table:
    """Columns of one kind by the names of its fields; `rows` are the records' values, at least one.

    Instants are texts until `set_instants` gives them their values.
    """

    def __init__(self, fields: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        self.rows = len(rows)
        self.columns: dict[str, Column] = dict(zip(fields, zip(*rows, strict=True), strict=True))
        self.present = {name: self._present(column) for name, column in self.columns.items()}
        """How many rows have a value, by column."""
        self.doubtful: set[int] = set()
        self.names = self.rows + sum(self.present.values())
        """The names kept in all rows; the kind is one too."""
        self._instants: dict[str, Instants] = {}

    def _present(self, column: Column) -> int:
        # Looking for truth is faster than for None where there is none, and the other way round.
        return self.rows if all(column) else self.rows - column.count(None)

    def doubt(self, rows: Iterable[int]) -> None:
        """The exact reading has to decide about these rows."""
        self.doubtful.update(rows)

    def set_instants(self, name: str, instants: Instants) -> None:
        """Give a column of instants its values: one for each row that has one."""
        if not self.present[name]:
            return
        values: list[int | None] = instants.tolist()
        if self.present[name] == self.rows:
            self._instants[name] = instants
            self.columns[name] = values
        else:
            rest = iter(values)
            self.columns[name] = [None if each is None else next(rest) for each in self.columns[name]]
        if not instants.all():
            self.doubt([row for row, value in enumerate(self.columns[name]) if value == REFUSED])

    def latest(self, at: str, *own: str) -> Column:
        """When each record was stated: as it says, else its latest own instant; doubtful without either."""
        if not self.present[at] and self._instants.keys() >= set(own):
            return self._latest_of_full(own)
        found: list[int | None] = []
        columns = [self.columns[name] for name in own]
        for row, (said, *instants) in enumerate(zip(self.columns[at], *columns, strict=True)):
            latest = said if said is not None else max([i for i in instants if i is not None], default=None)
            found.append(latest)
            if latest is None:
                self.doubtful.add(row)
        return found

    def _latest_of_full(self, own: Sequence[str]) -> Column:
        last = self._instants[own[-1]]
        for name in own[:-1]:
            if not (self._instants[name] <= last).all():
                latest: list[int] = np.maximum.reduce([self._instants[each] for each in own]).tolist()
                return latest
        return self.columns[own[-1]]

    def made(self, name: str, make: Callable[[Any], Any]) -> Column:
        """The column with what `make` makes of each value; rows where it raises are doubtful."""
        column = self.columns[name]
        if not self.present[name]:
            return column
        found = list(column)
        for row in [row for row, value in enumerate(column) if value is not None]:
            try:
                found[row] = make(column[row])
            except UNCERTAIN:
                found[row] = None
                self.doubtful.add(row)
        return found

    def nested(self, name: str, make: Callable[[Any], Any]) -> Column:
        """As `made`, for values that have names inside."""
        if self.present[name]:
            self.names += sum([names_kept(value) for value in self.columns[name] if value is not None])
        return self.made(name, make)

    def ids(self, name: str, size: int) -> Column:
        """Ids of that many bytes, from texts of twice as many characters."""
        none = bytes(size)
        if self.present[name] == self.rows:
            joined = "".join(self.columns[name])
            try:
                found = unhexlify(joined)
            except ValueError:
                found = b""
            if found.hex() == joined:
                ids: list[bytes] = np.frombuffer(found, f"V{size}").tolist()
                if none not in ids:
                    return ids
        return self.made(name, lambda text: _id(text, none))

    def check_stamps(self, producer: str, seq: str) -> None:
        """Doubt the rows whose producer is none, or whose sequence has no producer."""
        producers = self.columns[producer]
        wrong = {each for each in set(producers) if each is not None and not is_producer(each)}
        if wrong:
            self.doubt([row for row, each in enumerate(producers) if each in wrong])
        if self.present[producer] < self.rows and self.present[seq]:
            stamps = enumerate(zip(producers, self.columns[seq], strict=True))
            self.doubt([row for row, (one, sequence) in stamps if one is None and sequence is not None])

    def doubt_equal(self, name: str, other: str) -> None:
        """Doubt the rows that name themselves."""
        if self.present[name]:
            pairs = enumerate(zip(self.columns[name], self.columns[other], strict=True))
            self.doubt([row for row, (one, two) in pairs if one == two])


def _id(text: str, none: bytes) -> bytes:
    found = unhexlify(text)
    if found.hex() != text or found == none:
        raise NotCertain
    return found
