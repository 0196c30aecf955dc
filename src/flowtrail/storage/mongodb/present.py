"""The one document that says what is present: who may project, which generation is read, and how far it is folded.

Every write of the projector updates it inside its transaction, filtered on the lease's epoch: reading it would not
be enough, since under snapshot isolation two transactions that only read it would both commit.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from flowtrail.model.clock import MICROS, Clock
from flowtrail.model.errors import LeaseLost, StoreTooNew, StoreUnavailable
from flowtrail.projection.version import PROJECTION_VERSION
from flowtrail.storage.interface import Lease, Position
from flowtrail.storage.mongodb.connection import Document, end_transactions
from flowtrail.storage.mongodb.schema import META, VIEWS_LAYOUT, Names

KEPT_EPOCHS: Final = 200
"""Ends of epochs that are remembered; a live reader from before starts over."""
_ID: Final = "views"
_OVERTAKEN: Final = "another rebuild or another lease began after this one"

_encode: Final = msgspec.msgpack.Encoder(order="deterministic").encode
_decode_position: Final = msgspec.msgpack.Decoder(list[tuple[int, int]]).decode


def pack_position(position: Position) -> bytes:
    """The bytes of a position."""
    return _encode(sorted(position.items()))


def unpack_position(packed: bytes) -> Position:
    """A position from its bytes."""
    return dict(_decode_position(packed)) if packed else {}


class Present:
    """Reads and changes the document."""

    def __init__(self, database: Names) -> None:
        self._client = database.client
        self._collection = database[META]

    def read(self, session: ClientSession | None = None) -> Document:
        """The whole document. Raises: StoreUnavailable when the store was emptied under our feet."""
        held = self._collection.find_one({"_id": _ID}, session=session)
        if held is None:
            raise StoreUnavailable("the database holds no views any more; open the store again")
        return held

    def acquire(self, holder: str, ttl_s: float, clock: Clock, session_id: Mapping[str, Any]) -> Lease | None:
        """Take the lease when it is free, ours or has run out; durable on return. Writes will be made in the session
        of that id; what the holder before left open in his is aborted, since he was killed or is too late.

        Raises: StoreTooNew: whoever cannot write the views would keep the lease from those that can.
        """
        while True:
            held = self.read()
            refuse_newer(held)
            now = clock()
            if held["holder"] not in {None, holder} and now < held["expires"]:
                return None
            if held.get("session") not in {None, session_id["id"]}:
                end_transactions(self._client, {"id": held["session"]})
            epoch, ttl = held["epoch"] + 1, round(ttl_s * MICROS)
            changes: Document = {"epoch": epoch, "holder": holder, "ttl": ttl, "expires": now + ttl}
            changes["session"] = session_id["id"]
            for generation, state in held["generations"].items():
                ends = state["ends"] | {str(held["epoch"]): state["revision"]}
                kept = sorted(ends, key=int)[-KEPT_EPOCHS:]
                changes[f"generations.{generation}.ends"] = {each: ends[each] for each in kept}
            # A write or a renewal in between changes `expires`: then look again.
            expected = {
                "_id": _ID,
                "epoch": held["epoch"],
                "expires": held["expires"],
                "holder": held["holder"],
            }
            taken = self._collection.find_one_and_update(
                expected, {"$set": changes}, return_document=ReturnDocument.AFTER
            )
            if taken is not None:
                return Lease(epoch, holder)

    def release(self, lease: Lease) -> None:
        """Give the lease up when it is still this one."""
        self._collection.update_one(
            {"_id": _ID, "epoch": lease.epoch, "holder": lease.holder},
            {"$set": {"holder": None, "expires": 0}},
        )

    def renew(
        self,
        lease: Lease,
        generation: str,
        clock: Clock,
        position: Position | None = None,
        *,
        advance: bool = False,
        session: ClientSession | None = None,
    ) -> Document:
        """Renew the lease, and in the same update save a position and take the next revision. The generation's
        state afterwards.

        Raises: LeaseLost when the lease or the generation is no longer the newest; StoreUnavailable when the
        generation was made by another projection version.
        """
        ours = f"generations.{generation}"
        changes: Document = {"expires": {"$add": [clock(), "$ttl"]}}
        if position is not None:
            changes[f"{ours}.position"] = {"$literal": pack_position(position)}
        if advance:
            changes[f"{ours}.revision"] = {"$add": [f"${ours}.revision", 1]}
        held = self._collection.find_one_and_update(
            {
                "_id": _ID,
                "epoch": lease.epoch,
                "holder": lease.holder,
                "$or": [{"current": generation}, {"next": generation}],
            },
            [{"$set": changes}],
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        if held is None:
            raise LeaseLost(
                f"the lease of epoch {lease.epoch} was taken over or given up, or its views replaced"
            )
        state: Document = held["generations"][generation]
        if not usable(state):
            raise StoreUnavailable(
                f"the views were made by projection version {state['projection']}; rebuild them"
            )
        return state

    def begin(self, generation: str, state: dict[str, Any]) -> list[str]:
        """Announce a generation that is being built; the left-overs of earlier ones, for the caller to drop."""
        while True:
            held = self.read()
            current = held["current"]
            gone = [each for each in held["generations"] if each != current]
            announced = {"next": generation, f"generations.{generation}": {"$literal": state}}
            unset: list[Document] = [{"$unset": [f"generations.{each}" for each in gone]}] if gone else []
            changed = self._collection.update_one(
                {"_id": _ID, "current": current, "next": held["next"]}, [*unset, {"$set": announced}]
            )
            if changed.matched_count:
                return gone

    def refuse_overtaken(self, generation: str, lease: Lease) -> None:
        """Raises: LeaseLost when another rebuild began since this generation's, or `lease` is not the newest."""
        held = self.read()
        if (held["next"], held["epoch"]) != (generation, lease.epoch):
            raise LeaseLost(_OVERTAKEN)

    def switch(self, generation: str, lease: Lease) -> str:
        """Let readers see a generation that was being built; the one they saw until now, which stays named here until
        it is dropped (`forget`, or `leave` where that was never done).

        Raises: LeaseLost when another rebuild began since, or `lease` is not the newest.
        """
        old: str = self.read()["current"]
        held = self._collection.find_one_and_update(
            {"_id": _ID, "next": generation, "current": old, "epoch": lease.epoch},
            {"$set": {"current": generation, "next": None}},
        )
        if held is None:
            raise LeaseLost(_OVERTAKEN)
        return old

    def forget(self, generation: str) -> None:
        """Name a generation no more that was dropped."""
        self._collection.update_one(
            {"_id": _ID, "current": {"$ne": generation}, "next": {"$ne": generation}},
            {"$unset": {f"generations.{generation}": ""}},
        )

    def leave(self, lease: Lease) -> list[str]:
        """Name the generation that is read alone, for who has taken the lease of it: no rebuild goes on, and no switch.
        What others there were, for the caller to drop."""
        held = self.read()
        gone = [each for each in held["generations"] if each != held["current"]]
        if not gone:
            return []
        changed = self._collection.update_one(
            {"_id": _ID, "epoch": lease.epoch, "current": held["current"], "next": held["next"]},
            {"$set": {"next": None}, "$unset": {f"generations.{each}": "" for each in gone}},
        )
        return gone if changed.matched_count else []


def refuse_newer(held: Document) -> None:
    """Raises: StoreTooNew when the views that readers see were made by a newer Flowtrail."""
    state = held["generations"][held["current"]]
    if state["projection"] > PROJECTION_VERSION or state["layout"] > VIEWS_LAYOUT:
        raise StoreTooNew(
            f"the views were made by a newer Flowtrail (projection {state['projection']}, layout {state['layout']};"
            f" this one knows {PROJECTION_VERSION} and {VIEWS_LAYOUT}): upgrade this one"
        )


def usable(state: Document) -> bool:
    """Whether differences may be written onto these views."""
    return bool(state["projection"] == PROJECTION_VERSION and state["layout"] == VIEWS_LAYOUT)
