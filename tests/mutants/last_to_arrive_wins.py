"""A register keeps the statement that came last, instead of the greatest."""

from flowtrail.projection import registers


def _keep_last(held, group, candidate):
    held[group] = candidate


registers._keep_greatest = _keep_last
