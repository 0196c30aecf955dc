"""Records that were folded before count once more."""

from flowtrail.projection.derive import tally_state
from flowtrail.projection.tracked import Tracked

_fold = Tracked.fold


def _count_again(self, records, tally):
    difference = _fold(self, records, tally)
    if difference is None and self.header is not None:
        tally_state(tally, self.tenant, self.state, self.header, 1)
    return difference


Tracked.fold = _count_again
