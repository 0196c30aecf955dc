"""The position is saved before what it stands for: a crash in between loses records from the views."""

from flowtrail.intake.projector import Projector
from flowtrail.storage.interface import Batch

_project = Projector._project


def _saved_first(self, gathered, position):
    self._writes.put(Batch(position=position), self._lease)
    return _project(self, gathered, position)


Projector._project = _saved_first
