"""A page of a list begins after the last instant of the page before, whoever shares it."""

from dataclasses import replace

from flowtrail.storage.sqlite.walk import Walk

_init = Walk.__init__


def _past_ties(self, snapshot, selection):
    after = selection.after
    if after is not None:
        selection = replace(selection, after=replace(after, id=bytes(16)))
    _init(self, snapshot, selection)


Walk.__init__ = _past_ties
