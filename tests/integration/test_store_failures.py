"""A store that fails: everyone gets an answer, nothing acknowledged is lost, and intake comes back by itself."""

import pytest

from flowtrail.intake import attempts
from flowtrail.intake import committer as module
from flowtrail.intake.committer import Committer
from flowtrail.intake.receipts import IntakePaused
from flowtrail.intake.wire import decode_body
from flowtrail.model.clock import sleep_s
from flowtrail.model.errors import StoreFull, StoreUnavailable
from flowtrail.storage import open_store
from tests.support.batches import WAIT_S, batch, stored, stored_records
from tests.support.faults import FaultyJournal, until

GONE = StoreUnavailable("the disk answered with an I/O error")
FULL = StoreFull("no space left on device")


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A busy machine must not look like a store that fails."""
    monkeypatch.setattr(module, "ANSWER_S", 60.0)
    monkeypatch.setattr(attempts, "STALL_S", 60.0)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:{tmp_path / 'store'}"


@pytest.fixture
def journal(url):
    store = open_store(url)
    yield FaultyJournal(store.journal)
    store.close()


@pytest.fixture
def committer(journal):
    made = Committer(journal)
    made.start()
    yield made
    journal.unblock()
    journal.mend()
    made.close()


@pytest.fixture
def impatient(patient, monkeypatch):
    """The bounds of seconds, in tenths; calling it makes them long again."""
    monkeypatch.setattr(module, "ANSWER_S", 0.4)
    monkeypatch.setattr(module, "WATCH_S", 0.02)
    monkeypatch.setattr(attempts, "STALL_S", 0.1)

    def relax() -> None:
        monkeypatch.setattr(module, "ANSWER_S", 60.0)
        monkeypatch.setattr(attempts, "STALL_S", 60.0)

    return relax


def ids(records):
    return [record.id for record in records]


@pytest.mark.parametrize("written", [False, True], ids=["not written", "written all the same"])
def test_after_an_unknown_outcome_the_identical_pages_are_sent_again(committer, journal, url, written):
    before = batch(2)
    committer.submit("default", before).result(WAIT_S)
    for _ in range(3):
        (journal.fail_after if written else journal.fail_before)(GONE)
    sent = batch(3)

    receipt = committer.submit("default", sent).result(WAIT_S)

    assert receipt.accepted == 3
    assert ids(stored_records(url)) == ids(before.records + sent.records)
    assert journal.appended[1] == journal.appended[2] == journal.appended[3] == journal.appended[4]
    assert committer.failure is None
    assert committer.counts.failures == 3


def test_an_error_that_no_store_should_raise_counts_as_unknown(committer, journal, url):
    journal.fail_after(OSError("what is this"))
    sent = batch(3)

    assert committer.submit("default", sent).result(WAIT_S).accepted == 3
    assert ids(stored_records(url)) == ids(sent.records)


def test_while_the_store_fails_newcomers_are_told_when_to_come_back(committer, journal, url):
    journal.break_down(GONE)
    waiting = committer.submit("default", batch())
    until(lambda: committer.failure)

    with pytest.raises(IntakePaused, match="I/O error") as refusal:
        committer.submit("default", batch()).result(WAIT_S)

    assert refusal.value.retry_after_s > 0
    assert committer.counts.refused["store_unavailable"] == 1
    journal.mend()
    assert waiting.result(WAIT_S).accepted == 1
    assert len(stored_records(url)) == 1, "what was refused was not written"


@pytest.mark.parametrize("error", [GONE, FULL], ids=["unavailable", "full"])
@pytest.mark.parametrize("known", [False, True], ids=["before the writer is registered", "later"])
def test_intake_comes_back_by_itself_though_nobody_asks(committer, journal, url, error, known):
    if known:
        committer.submit("default", batch()).result(WAIT_S)
    journal.break_down(error)
    committer.submit("default", batch())
    until(lambda: committer.failure)

    journal.mend()

    until(lambda: committer.failure is None)
    assert committer.submit("default", batch()).result(WAIT_S).accepted == 1


def test_a_full_store_is_told_at_once_to_everybody(committer, journal, url):
    committer.submit("default", batch()).result(WAIT_S)
    journal.block()
    sent = [batch(1), batch(2)]
    futures = [committer.submit("default", sent[0])]
    assert journal.reached.wait(WAIT_S)
    futures.append(committer.submit("default", sent[1]))
    journal.break_down(FULL)
    journal.unblock()

    for future in futures:
        with pytest.raises(StoreFull):
            future.result(WAIT_S)
    with pytest.raises(StoreFull):
        committer.submit("default", batch()).result(WAIT_S)
    journal.mend()
    until(lambda: committer.failure is None)
    for made in sent:
        assert committer.submit("default", made).result(WAIT_S).accepted > 0
    held = ids(stored_records(url))
    assert set(ids(sent[0].records + sent[1].records)) <= set(held)
    assert held.count(sent[1].records[0].id) == 1, (
        "what never left the queue is not written behind one's back"
    )


def test_everybody_is_answered_in_time_though_the_store_never_comes_back(committer, journal, impatient):
    journal.break_down(GONE)

    futures = [committer.submit("default", batch()) for _ in range(3)]

    for future in futures:
        with pytest.raises(StoreUnavailable):
            future.result(WAIT_S)


def test_what_was_answered_with_unknown_and_never_sent_is_let_go(committer, journal, url, impatient):
    journal.break_down(GONE)
    given_up = committer.submit("default", batch())
    with pytest.raises(StoreUnavailable):
        given_up.result(WAIT_S)

    journal.mend()
    until(lambda: committer.failure is None)
    until(lambda: committer.queued_records == 0)

    assert stored(url) == []
    impatient()
    assert committer.submit("default", batch()).result(WAIT_S).accepted == 1


def test_a_store_that_hangs_counts_as_failing_until_it_answers(impatient, committer, journal, url):
    assert committer.submit("default", batch()).result(WAIT_S).accepted == 1
    sleep_s(5 * module.WATCH_S)
    assert committer.failure is None, "who has nothing to do does not hang"
    journal.block()
    hanging = committer.submit("default", batch())
    assert journal.reached.wait(WAIT_S)

    with pytest.raises(IntakePaused, match="unknown"):
        hanging.result(WAIT_S)
    until(lambda: committer.failure)
    with pytest.raises(IntakePaused, match="nothing was written"):
        committer.submit("default", batch()).result(WAIT_S)

    impatient()
    journal.unblock()
    until(lambda: committer.failure is None)
    assert committer.submit("default", batch()).result(WAIT_S).accepted == 1
    assert len(stored_records(url)) == 3, "what hung was written in the end"


def test_a_batch_that_holds_nothing_is_answered_though_the_store_fails(committer, journal):
    journal.break_down(GONE)
    committer.submit("default", batch())
    until(lambda: committer.failure)

    nothing = decode_body(b'{"kind":"nothing"}', "application/x-ndjson", None, 0)
    receipt = committer.submit("default", nothing).result(WAIT_S)

    assert (receipt.accepted, [each.code for each in receipt.rejected]) == (0, ["unknown_kind"])


def test_closing_while_the_store_fails_answers_with_unknown(committer, journal):
    journal.break_down(GONE)
    waiting = committer.submit("default", batch())
    until(lambda: committer.failure)

    committer.close(drain_s=0.05)

    with pytest.raises(IntakePaused, match="unknown"):
        waiting.result(0)


def test_conflicts_that_do_not_end_pause_intake_instead_of_spinning(committer, journal, url, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.05)
    for _ in range(3):
        journal.fail_before(module.PageConflict("another page stands there"))

    assert committer.submit("default", batch()).result(WAIT_S).accepted == 1
    assert (committer.counts.conflicts, committer.counts.failures) == (3, 2)
    assert committer.failure is None
    assert len(stored_records(url)) == 1
