"""A look at the change log stops in the middle of a revision, and the next one goes on after it."""

from flowtrail.storage.memory.reader import MemoryReader

_changed = MemoryReader.changed


def _torn(self, tenant, after, limit):
    found = _changed(self, tenant, after, limit)
    return found and (found[0][:limit], found[1] or len(found[0]) > limit)


MemoryReader.changed = _torn
