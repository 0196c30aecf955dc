"""A read waits for all writers but the newest."""

from flowtrail.server import projecting


def _all_but_the_newest(visible, wanted):
    return all(visible.get(ordinal, 0) >= wanted[ordinal] for ordinal in sorted(wanted)[:-1])


projecting.covers = _all_but_the_newest
