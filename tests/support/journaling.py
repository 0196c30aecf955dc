"""Records into a store the short way, for tests that are not about intake: pages by hand, projected at once."""

from collections.abc import Sequence

from flowtrail.intake.projector import Projector
from flowtrail.ledger.heads import unnamed_heads
from flowtrail.ledger.pages import build_page
from flowtrail.model.clock import sleep_s
from flowtrail.model.pages import Page
from flowtrail.model.records import AnyRecord, encode_record
from flowtrail.storage.interface import Store

RECEIVED_AT = 1_790_000_000_000_000


class Journaling:
    """A writer of one tenant; each `append` is a page."""

    def __init__(self, store: Store, tenant: str = "default", name: str = "writer-1") -> None:
        self._journal = store.journal
        self._named = unnamed_heads(store.journal, tenant)
        self._writer = store.journal.register(tenant, name)
        self._sequence, self._hash = 0, b""

    def append(
        self,
        records: Sequence[AnyRecord],
        received_at: int | None = None,
        rejected: Sequence[tuple[str, int]] = (),
    ) -> Page:
        """A page with these records."""
        self._sequence += 1
        page = build_page(
            self._writer,
            self._sequence,
            self._hash,
            RECEIVED_AT + self._sequence if received_at is None else received_at,
            [encode_record(record) for record in records],
            rejected,
            named=self._named if self._sequence == 1 else (),
        )
        self._journal.append([page])
        self._hash = page.hash
        return page


def project(store: Store, holder: str | None = None, *, patiently: bool = False) -> None:
    """Fold everything the journal has; `patiently` waits for a dead holder's lease to run out."""
    projector = Projector(store.journal, store.view_writer(), holder=holder)
    while patiently and not projector.take_lease():
        sleep_s(0.05)
    projector.catch_up()
    projector.close()
