"""Group commit on a real mongod: the same promises, at the durability of a majority."""

import pytest

from flowtrail.intake import committer as module
from flowtrail.intake.committer import Committer
from flowtrail.model.errors import StoreUnavailable
from flowtrail.storage import open_store
from tests.support.batches import WAIT_S, batch, stored, stored_records
from tests.support.faults import FaultyJournal

pytestmark = pytest.mark.mongodb


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A busy machine must not look like a store that fails."""
    monkeypatch.setattr(module, "ANSWER_S", 60.0)


def test_acknowledged_records_are_there_for_another_client_once_and_in_order(mongodb_url):
    store = open_store(mongodb_url)
    journal = FaultyJournal(store.journal)
    committer = Committer(journal)
    committer.start()
    sent = [batch(3), batch(2_500), batch(4)]

    receipts = []
    for made in sent:
        journal.fail_after(StoreUnavailable("the primary stepped down"))
        journal.fail_before(StoreUnavailable("there is no primary"))
        receipts.append(committer.submit("default", made).result(WAIT_S))
    committer.close()
    store.close()

    assert {receipt.durable for receipt in receipts} == {"majority"}
    assert stored_records(mongodb_url) == [record for made in sent for record in made.records]
    assert len(stored(mongodb_url)) == 4
    assert committer.counts.conflicts == 0
