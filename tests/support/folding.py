"""A projector for tests: folds records into batches as `intake.projector` does, and writes them to any store."""

from collections.abc import Iterable, Sequence

from flowtrail.projection.state import State
from flowtrail.projection.tally import Tally
from flowtrail.projection.tracked import Folded, Tracked
from flowtrail.storage.interface import Batch, Change, Lease, Position, Revision, ViewWriter


def transaction_of(record: Folded) -> bytes:
    """The transaction a record speaks of."""
    return record.id if hasattr(record, "object_type") else record.transaction


def by_transaction(records: Iterable[Folded]) -> dict[bytes, list[Folded]]:
    """Records sorted by whom they speak of, otherwise in order."""
    found: dict[bytes, list[Folded]] = {}
    for record in records:
        found.setdefault(transaction_of(record), []).append(record)
    return found


class Folder:
    """One projector: a view writer, its lease and the states it holds. `cold` forgets them after every batch."""

    def __init__(
        self, writer: ViewWriter, holder: str = "test", *, cold: bool = False, ttl_s: float = 600
    ) -> None:
        lease = writer.acquire(holder, ttl_s)
        assert lease is not None, "somebody else holds the lease"
        self.writer, self.lease, self.cold = writer, lease, cold
        self.position: Position = writer.position()
        self._held: dict[tuple[str, bytes], Tracked] = {}

    def fold(self, tenant: str, records: Iterable[Folded], page: int = 1) -> Batch:
        """The batch that these records make of what is stored, not yet written."""
        groups = by_transaction(records)
        missing = [key for key in groups if (tenant, key) not in self._held]
        for key, loaded in self.writer.load(tenant, missing).items():
            state = State.load(loaded.facts, loaded.pieces)
            self._held[tenant, key] = Tracked(tenant, state, loaded.locator)
        batch, tally = Batch(position=self.position), Tally()
        for key, own in groups.items():
            tracked = self._held.setdefault((tenant, key), Tracked(tenant))
            difference = tracked.fold(own, tally)
            if difference is not None:
                assert tracked.header is not None
                batch.changes.append(
                    Change(
                        tenant,
                        key,
                        tracked.locator,
                        difference.before,
                        tracked.header,
                        difference.facts,
                        difference.piece,
                        difference.terms_gone,
                        difference.terms_new,
                        [page],
                    )
                )
        batch.cells = tally.cells()
        return batch

    def write(self, batch: Batch, lease: Lease | None = None) -> Revision:
        """Write a batch and remember where its transactions stand now."""
        revision, locators = self.writer.write(batch, lease or self.lease)
        for change, locator in zip(batch.changes, locators, strict=True):
            self._held[change.tenant, change.id].locator = locator
        if self.cold:
            self._held.clear()
        return revision

    def tell(self, tenant: str, *records: Folded, page: int = 1) -> Revision:
        """Fold records and write what they change."""
        return self.write(self.fold(tenant, records, page))

    def tell_batches(self, tenant: str, batches: Iterable[Sequence[Folded]]) -> None:
        """Fold and write batch after batch."""
        for records in batches:
            self.tell(tenant, *records)

    def forget(self) -> None:
        """Forget every state held, as after a write that may have failed."""
        self._held.clear()

    def release(self) -> None:
        """Give the lease up."""
        self.writer.release(self.lease)
