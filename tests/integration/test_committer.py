"""Group commit on real files: what is answered is on disk, in order, once, and provable."""

import shutil
import threading
from collections import Counter
from concurrent.futures import Future

import pytest

from flowtrail.intake import attempts
from flowtrail.intake import committer as module
from flowtrail.intake.committer import Committer
from flowtrail.intake.receipts import IntakeFull, IntakePaused, Receipt
from flowtrail.intake.wire import Decoded
from flowtrail.ledger.heads import unnamed_heads
from flowtrail.ledger.pages import NamedHead, read_header, read_records
from flowtrail.model.limits import MAX_PAGE_BYTES, MAX_PAGE_RECORDS
from flowtrail.model.pages import split_number
from flowtrail.model.records import encode_record
from flowtrail.model.tokens import parse_token
from flowtrail.storage import open_store
from tests.support.batches import WAIT_S, batch, rejection, stored, stored_records
from tests.support.faults import FaultyJournal, until


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


# --- what an answer promises -------------------------------------------------------------------------------


def test_what_was_answered_is_read_back_through_another_handle(committer, url):
    sent = batch(3)

    receipt = committer.submit("default", sent).result(WAIT_S)

    assert (receipt.accepted, receipt.rejected, receipt.durable) == (3, [], "disk")
    assert stored_records(url) == sent.records
    (page,) = stored(url)
    ordinal, sequence = split_number(page.number)
    assert parse_token(receipt.token) == {ordinal: sequence}


def test_what_was_answered_is_in_the_files_as_they_are_then(committer, url, tmp_path):
    """Nothing is waited for after the answer: a copy taken at once has it all."""
    sent = batch(5)
    committer.submit("default", sent).result(WAIT_S)

    shutil.copytree(tmp_path / "store", tmp_path / "copy")

    assert stored_records(f"sqlite:{tmp_path / 'copy'}") == sent.records


def test_nobody_is_answered_before_the_append_has_returned(committer, journal, url):
    journal.block()
    future = committer.submit("default", batch())
    assert journal.reached.wait(WAIT_S)

    assert not future.done()
    assert stored(url) == []
    journal.unblock()
    assert future.result(WAIT_S).accepted == 1


def test_the_projector_is_woken_when_the_page_is_there(journal, url):
    seen = []
    committer = Committer(journal, on_commit=lambda: seen.append(len(stored(url))))
    committer.start()

    committer.submit("default", batch()).result(WAIT_S)
    committer.close()

    assert seen == [1]


def test_a_wake_that_fails_harms_no_answer(journal):
    committer = Committer(journal, on_commit=lambda: 1 / 0)
    committer.start()

    answers = [committer.submit("default", batch()).result(WAIT_S) for _ in range(2)]
    committer.close()

    assert [receipt.accepted for receipt in answers] == [1, 1]


# --- groups and pages --------------------------------------------------------------------------------------


def test_what_queues_while_one_append_runs_becomes_one_group(committer, journal, url):
    journal.block()
    first = committer.submit("default", batch(1))
    assert journal.reached.wait(WAIT_S)
    rest = [committer.submit("default", batch(10)) for _ in range(20)]
    journal.unblock()

    tokens = {future.result(WAIT_S).token for future in rest}

    assert [len(pages) for pages in journal.appended] == [1, 1]
    assert [len(read_records(page)) for page in stored(url)] == [1, 200]
    assert len(tokens) == 1
    assert first.result().token not in tokens


def test_a_page_takes_at_most_its_limits_and_keeps_the_order(committer, journal, url):
    journal.block()
    committer.submit("default", batch())
    assert journal.reached.wait(WAIT_S)
    many, wide = batch(4_500), batch(300, worker="w" * 10_000)
    futures = [committer.submit("default", sent) for sent in (many, wide)]
    journal.unblock()
    for future in futures:
        future.result(WAIT_S)

    pages = stored(url)[1:]

    assert [record for page in pages for record in read_records(page)] == many.records + wide.records
    for page in pages:
        held = read_records(page)
        assert len(held) <= MAX_PAGE_RECORDS
        assert sum(len(encode_record(record)) for record in held) <= MAX_PAGE_BYTES
    assert len(pages) <= 7, "pages are filled"
    assert len(journal.appended) == 2, "several pages go in one append"


def test_a_record_larger_than_a_page_has_one_of_its_own(committer, url):
    small, large = batch(2), batch(1, worker="w" * (MAX_PAGE_BYTES + 1))
    sent = Decoded(
        [small.records[0], large.records[0], small.records[1]],
        [small.encoded[0], large.encoded[0], small.encoded[1]],
        [],
        small.received_at,
    )

    committer.submit("default", sent).result(WAIT_S)

    assert [len(read_records(page)) for page in stored(url)] == [1, 1, 1]
    assert stored_records(url) == sent.records


def test_a_batch_of_many_pages_goes_in_appends_of_bounded_size_and_is_answered_once_all_is_there(
    committer, journal, url, monkeypatch
):
    monkeypatch.setattr(module, "APPEND_PAGES", 2)

    receipt = committer.submit("default", batch(9_000)).result(WAIT_S)

    assert [len(pages) for pages in journal.appended] == [2, 2, 1]
    assert len(stored_records(url)) == 9_000
    assert list(parse_token(receipt.token).values()) == [5]


def test_many_threads_and_tenants_lose_nothing_and_double_nothing(committer, url):
    sent: dict[str, list] = {"a": [], "b": []}
    answers = []

    def client(tenant: str) -> None:
        for size in (1, 7, 150):
            made = batch(size)
            receipt = committer.submit(tenant, made).result(WAIT_S)
            sent[tenant].extend(made.records)
            answers.append((tenant, receipt, made))

    threads = [threading.Thread(target=client, args=(tenant,)) for tenant in ("a", "b") for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)

    assert len(answers) == 72
    for tenant in ("a", "b"):
        got = Counter(record.id for record in stored_records(url, tenant))
        assert got == Counter(record.id for record in sent[tenant])
    by_number = {page.number: read_records(page) for tenant in ("a", "b") for page in stored(url, tenant)}
    for _, receipt, made in answers:
        ((ordinal, sequence),) = parse_token(receipt.token).items()
        covered = [
            record
            for number, held in by_number.items()
            if split_number(number)[0] == ordinal and split_number(number)[1] <= sequence
            for record in held
        ]
        assert {record.id for record in made.records} <= {record.id for record in covered}


def test_what_was_counted_is_what_happened(committer, url):
    committer.submit("default", batch(3, rejected=[rejection(1), rejection(None, "too_deep")])).result(WAIT_S)
    committer.submit("default", batch(2, rejected=[rejection(2)])).result(WAIT_S)

    counts = committer.counts

    assert counts.accepted == 5
    assert counts.rejected == {"unknown_kind": 2, "too_deep": 1}
    assert (counts.commits, counts.pages, counts.failures) == (2, 2, 0)
    assert (counts.page_records.number, counts.page_records.total) == (2, 5)
    assert counts.page_bytes.total == sum(len(page.header) + len(page.body) for page in stored(url))
    assert counts.latency_s.number == sum(counts.latency_s.counts) == 2
    until(lambda: (committer.queued_records, committer.queued_bytes) == (0, 0))


# --- rejected sequences ------------------------------------------------------------------------------------


def test_rejected_sequences_stand_in_the_page_of_their_batch(committer, url):
    receipt = committer.submit("default", batch(1, rejected=[rejection(9), rejection(4)])).result(WAIT_S)

    assert [item.seq for item in receipt.rejected] == [9, 4]
    assert [read_header(page).rejected for page in stored(url)] == [{"shop/1": [4, 9]}]


def test_a_batch_of_which_nothing_was_accepted_leaves_its_sequences(committer, url):
    receipt = committer.submit("default", batch(0, rejected=[rejection(7)])).result(WAIT_S)

    assert (receipt.accepted, receipt.token, len(receipt.rejected)) == (0, None, 1)
    assert [(read_header(page).rejected, page.body) for page in stored(url)] == [({"shop/1": [7]}, b"")]


def test_more_rejected_sequences_than_a_header_takes_need_more_pages(committer, url):
    committer.submit("default", batch(1, rejected=[rejection(seq) for seq in range(1, 2_500)])).result(WAIT_S)

    told = [read_header(page).rejected["shop/1"] for page in stored(url)]

    assert [len(part) for part in told] == [1_000, 1_000, 499]
    assert [seq for part in told for seq in part] == list(range(1, 2_500))


def test_rejections_that_no_producer_counts_are_answered_without_the_store(committer, journal, url):
    journal.block()
    committer.submit("default", batch())
    assert journal.reached.wait(WAIT_S)

    receipt = committer.submit("default", batch(0, rejected=[rejection(None)])).result(WAIT_S)

    assert (receipt.accepted, len(receipt.rejected)) == (0, 1)
    journal.unblock()


# --- writers -----------------------------------------------------------------------------------------------


def test_each_start_is_a_new_writer_that_names_the_last_page_of_the_one_before(journal, url):
    for _ in range(3):
        run = Committer(journal)
        run.start()
        for _ in range(2):
            run.submit("default", batch()).result(WAIT_S)
        run.close()

    pages = stored(url)
    last = [page for page in pages if split_number(page.number)[1] == 2]
    heads = [NamedHead(*split_number(page.number), page.hash) for page in last]

    assert len({read_header(page).writer for page in pages}) == 3
    assert [read_header(page).named for page in pages] == [[], [], [heads[0]], [], [heads[1]], []]
    assert unnamed_heads(journal, "default") == [heads[2]]


def test_a_page_that_stands_where_we_write_gives_the_writer_up_and_loses_nothing(
    committer, journal, url, caplog
):
    sent = [batch(2), batch(3), batch(4)]
    committer.submit("default", sent[0]).result(WAIT_S)
    name = committer.writer_name
    # given somebody else who writes under our name
    usurper = Committer(journal)
    usurper.writer_name = name
    usurper.start()
    usurper.submit("default", batch()).result(WAIT_S)
    usurper.close()
    assert usurper.writer_name != name, "it stood in our way, too"
    journal.fail_before(module.PageConflict("another page stands at (1, 2)"))

    for made in sent[1:]:
        committer.submit("default", made).result(WAIT_S)

    assert committer.writer_name != name
    assert "another page stands" in caplog.text
    got = Counter(record.id for record in stored_records(url))
    assert got == {**got, **Counter(record.id for made in sent for record in made.records)}
    assert set(got.values()) == {1}


def test_a_group_that_cannot_be_built_is_answered_and_the_next_one_goes_on(
    committer, url, monkeypatch, caplog
):
    name = committer.writer_name
    with monkeypatch.context() as broken:
        broken.setattr(module, "build_pages", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            committer.submit("default", batch()).result(WAIT_S)

    assert committer.submit("default", batch()).result(WAIT_S).accepted == 1
    assert committer.writer_name != name
    assert len(stored_records(url)) == 1


# --- bounds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["MAX_QUEUE_RECORDS", "MAX_QUEUE_BYTES"])
def test_beyond_its_bound_the_queue_asks_to_come_back(committer, journal, monkeypatch, limit):
    monkeypatch.setattr(module, limit, 3)
    journal.block()
    waiting = committer.submit("default", batch(5))
    assert journal.reached.wait(WAIT_S)

    with pytest.raises(IntakeFull) as refusal:
        committer.submit("default", batch()).result(WAIT_S)

    assert (refusal.value.code, refusal.value.status) == ("intake_full", 429)
    assert refusal.value.retry_after_s > 0
    assert committer.counts.refused["intake_full"] == 1
    journal.unblock()
    assert waiting.result(WAIT_S).accepted == 5
    until(lambda: committer.queued_records == 0)
    assert committer.submit("default", batch()).result(WAIT_S).accepted == 1


def test_who_gave_up_waiting_stops_nobody(committer, journal, url):
    journal.block()
    committer.submit("default", batch())
    assert journal.reached.wait(WAIT_S)
    left = committer.submit("default", batch())
    assert left.cancel()
    last = committer.submit("default", batch())
    journal.unblock()

    assert last.result(WAIT_S).accepted == 1
    assert len(stored_records(url)) == 3


# --- the end -----------------------------------------------------------------------------------------------


def test_closing_writes_what_is_queued_and_takes_nothing_new(journal, url):
    committer = Committer(journal)
    futures = [committer.submit("default", batch(2)) for _ in range(5)]
    committer.start()

    committer.close(drain_s=WAIT_S)

    assert [future.result(0).accepted for future in futures] == [2] * 5
    assert len(stored_records(url)) == 10
    with pytest.raises(IntakePaused):
        committer.submit("default", batch()).result(0)
    committer.close()


def test_closing_answers_everybody_though_the_store_hangs(journal):
    committer = Committer(journal)
    committer.start()
    journal.block()
    futures: list[Future[Receipt]] = [committer.submit("default", batch())]
    assert journal.reached.wait(WAIT_S)
    futures.append(committer.submit("default", batch()))

    committer.close(drain_s=0.05)

    for future in futures:
        with pytest.raises(IntakePaused, match="unknown"):
            future.result(0)
    journal.unblock()


def test_what_was_never_started_answers_on_closing(journal):
    committer = Committer(journal)
    future = committer.submit("default", batch())

    committer.close()

    with pytest.raises(IntakePaused):
        future.result(0)
