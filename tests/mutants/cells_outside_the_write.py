"""Cells are written in a transaction of their own, after the states they count."""

from flowtrail.storage.interface import Batch
from flowtrail.storage.sqlite.views import SqliteViewWriter

_write = SqliteViewWriter.write


def _apart(self, batch, lease):
    cells, batch.cells = batch.cells, {}
    answer = _write(self, batch, lease)
    if cells:
        _write(self, Batch(cells=cells, position=batch.position), lease)
    return answer


SqliteViewWriter.write = _apart
