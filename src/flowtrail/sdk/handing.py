"""From one process to another: what a transaction writes into headers, and what becomes of it where it is resumed.

A call (no handover) runs inside the block that makes it, which becomes the parent of what is recorded there. A
handover continues after it, at the same nesting: the parent is what that block itself runs in.
"""

import re
from typing import Any, Final

from flowtrail.model.limits import MAX_ATTEMPT
from flowtrail.sdk.carriers import Getter, Setter, read_headers, write_headers
from flowtrail.sdk.context import innermost
from flowtrail.sdk.identity import Identity
from flowtrail.sdk.notices import warn_once
from flowtrail.sdk.telling import parent_of
from flowtrail.sdk.tracecontext import Carried, Members, read, write

_TRACE: Final = re.compile(r"[0-9a-f]{32}")


def hand_on(transaction: Any, carrier: Any, *, handover: bool, set: Setter | None, after: Any = None) -> bool:
    """Write the transaction into the carrier. Whether that could be done; never raises. `after` is the block beside
    which it goes on, whatever the caller is in; a handover goes on beside the one the caller is in."""
    identity: Identity = transaction.identity
    if not identity.is_known:
        return False
    running = after if after is not None else _running_in(transaction)
    span = running.id if running is not None else identity.remote_parent or _half_of(identity.id)
    parent = identity.remote_parent
    if running is not None:
        is_beside = handover or after is not None
        parent = parent_of(running, transaction) if is_beside else running.id
    carried = Carried(
        transaction=identity.id,
        parent=parent,
        attempt=identity.attempt,
        handover=handover,
        trace=_trace_of(identity),
        flags=identity.carried.flags,
        flow=identity.flow,
        version=identity.version,
        object_type=identity.object_type,
        object_id=identity.object_id,
        state=identity.carried.state,
        baggage=_beside(carrier, identity.carried.baggage),
    )
    try:
        write_headers(write(carried, span), carrier, set)
    except Exception as error:  # noqa: BLE001 -- a carrier may be of anyone's making
        warn_once(
            "inject", "nothing could be written into a carrier of %s: %r", type(carrier).__name__, error
        )
        return False
    return True


def _beside(carrier: Any, came: Members) -> Members:
    """What others wrote: into this carrier before us, and, under other keys, what the transaction came with."""
    try:
        stands = read(*read_headers(carrier, None)).baggage
    except Exception:  # noqa: BLE001 -- one that can only be written to holds nothing that we could keep
        stands = ()
    keys = {key for key, _ in stands}
    return (*stands, *(member for member in came if member[0] not in keys))


def _half_of(id: str) -> str:
    """Half of a transaction's id, in place of an execution: one that is all zero would make the headers mean nothing."""
    first, second = id[:16], id[16:]
    return second if second.strip("0") else first


def _trace_of(identity: Identity) -> str:
    """The trace that goes on: the one it is said to belong to, where that is one of W3C's; else the one it came with;
    else its own."""
    said = identity.trace
    if said is not None and _TRACE.fullmatch(said) and said.strip("0"):
        return said
    return identity.carried.trace or identity.id


def _running_in(transaction: Any) -> Any:
    """The block of this transaction that the caller is in, or None."""
    entry = innermost()
    return (
        entry if entry is not None and entry is not transaction and entry.transaction is transaction else None
    )


def take_over(carrier: Any, get: Getter | None, flow: str) -> Identity | None:
    """Who the carrier's headers say is coming; None where they name no transaction. Never raises."""
    carried = read_carried(carrier, get)
    if carried is None or carried.transaction is None:
        return None
    return Identity(
        id=carried.transaction,
        flow=carried.flow or flow,
        version=carried.version,
        object_type=carried.object_type,
        object_id=carried.object_id,
        attempt=min(carried.attempt, MAX_ATTEMPT),
        trace=carried.trace if carried.trace != carried.transaction else None,
        remote_parent=carried.parent,
        is_announced=True,
        ends_here=carried.handover,
        carried=carried,
    )


def read_carried(carrier: Any, get: Getter | None) -> Carried | None:
    """What the carrier's headers say; None where it cannot be read. Never raises."""
    try:
        return read(*read_headers(carrier, get))
    except Exception as error:  # noqa: BLE001 -- a carrier may be of anyone's making
        warn_once("resume", "a carrier of %s could not be read: %r", type(carrier).__name__, error)
        return None
