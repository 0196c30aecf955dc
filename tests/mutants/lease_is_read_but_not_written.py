"""On MongoDB a write only reads the lease: under snapshot isolation two holders then both commit."""

from flowtrail.model.errors import LeaseLost
from flowtrail.storage.mongodb.present import Present

_renew = Present.renew


def _read_only(self, lease, generation, clock, position=None, *, advance=False, session=None):
    held = self.read(session)
    if held["epoch"] != lease.epoch:
        raise LeaseLost("an epoch of its own")
    if not advance:
        return _renew(self, lease, generation, clock, position, session=session)
    state = held["generations"][generation]
    return state | {"revision": state["revision"] + 1}


Present.renew = _read_only
