"""The way in: bodies are decoded beside the commits, bounded, and everybody is answered."""

import gzip
import json
import threading

import pytest

from flowtrail.intake import admission as module
from flowtrail.intake import attempts, committer
from flowtrail.intake.admission import Intake
from flowtrail.intake.receipts import IntakeFull, IntakePaused
from flowtrail.model.clock import now_us
from flowtrail.model.errors import Refusal, StoreUnavailable
from flowtrail.simulator.workload import Workload, bodies
from flowtrail.storage import open_store
from tests.support.batches import WAIT_S, stored_records
from tests.support.faults import FaultyJournal, until

NDJSON = "application/x-ndjson"


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A busy machine must not look like a store that fails."""
    monkeypatch.setattr(committer, "ANSWER_S", 60.0)
    monkeypatch.setattr(attempts, "STALL_S", 60.0)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:{tmp_path / 'store'}"


@pytest.fixture
def store(url):
    opened = open_store(url)
    opened.journal = FaultyJournal(opened.journal)
    yield opened
    opened.close()


@pytest.fixture
def intake(store):
    made = Intake(store)
    made.start()
    yield made
    store.journal.unblock()
    store.journal.mend()
    made.close()


def body(*records: dict) -> bytes:
    return b"\n".join(json.dumps(record).encode() for record in records)


def link(**more) -> dict:
    return {"kind": "link", "parent": "01" * 16, "child": "02" * 16, "relation": "split", **more}


WRONG = {"kind": "nothing", "producer": "shop/1", "seq": 5}


def test_a_body_becomes_records_that_are_on_disk(intake, url):
    futures = [intake.accept("default", part, NDJSON, None) for part in bodies(Workload(30), 25)]

    receipts = [future.result(WAIT_S) for future in futures]

    assert [receipt.accepted for receipt in receipts] == [25] * 8 + [10]
    assert all(receipt.token and receipt.durable == "disk" for receipt in receipts)
    assert [record.seq for record in stored_records(url)] == list(range(1, 211))


def test_a_coded_body_is_taken_as_its_headers_say(intake, url):
    receipt = intake.accept("default", gzip.compress(body(link())), NDJSON, "gzip").result(WAIT_S)

    assert receipt.accepted == 1


def test_records_that_are_wrong_are_listed_and_the_others_accepted(intake, url):
    receipt = intake.accept("default", body(link(), WRONG, link(relation="merge")), NDJSON, None).result(
        WAIT_S
    )

    assert receipt.accepted == 2
    assert [(item.index, item.producer, item.seq) for item in receipt.rejected] == [(1, "shop/1", 5)]
    assert len(stored_records(url)) == 2


def test_when_nothing_is_accepted_the_receipt_says_why(intake):
    receipt = intake.accept("default", body(WRONG), NDJSON, None).result(WAIT_S)

    assert (receipt.accepted, receipt.token, len(receipt.rejected)) == (0, None, 1)


def test_a_body_that_is_wrong_as_a_whole_is_refused_and_counted(intake):
    with pytest.raises(Refusal) as refusal:
        intake.accept("default", b"", NDJSON, None).result(WAIT_S)

    assert refusal.value.status == 400
    assert intake.committer.counts.refused[refusal.value.code] == 1


def test_a_decoder_that_fails_answers_its_body_and_goes_on_with_the_next(intake, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(module, "decode_body", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            intake.accept("default", body(link()), NDJSON, None).result(WAIT_S)

    assert intake.accept("default", body(link()), NDJSON, None).result(WAIT_S).accepted == 1


def test_a_policy_sees_who_sends_what_and_may_refuse_it(store, url):
    seen = []

    def policy(tenant, principal, decoded):
        seen.append((tenant, principal, len(decoded.records)))
        if principal == "guest":
            raise Refusal("forbidden", "guests only read", status=403)

    intake = Intake(store, policy=policy)
    intake.start()
    allowed = intake.accept("default", body(link()), NDJSON, None, principal="shop")
    refused = intake.accept("default", body(link()), NDJSON, None, principal="guest")

    assert allowed.result(WAIT_S).accepted == 1
    with pytest.raises(Refusal, match="guests"):
        refused.result(WAIT_S)
    intake.close()
    assert seen == [("default", "shop", 1), ("default", "guest", 1)]
    assert len(stored_records(url)) == 1


def test_records_are_received_when_their_body_came(store, monkeypatch):
    seen = []
    real = module.decode_body
    monkeypatch.setattr(module, "decode_body", lambda *given: seen.append(given[3]) or real(*given))
    instant = now_us()
    intake = Intake(store, clock=lambda: instant)
    intake.start()

    intake.accept("default", body(link()), NDJSON, None).result(WAIT_S)
    intake.close()

    assert seen == [instant]


def test_decoding_goes_on_while_a_commit_waits_for_the_disk(intake, store, monkeypatch):
    decoded = threading.Semaphore(0)
    real = module.decode_body
    monkeypatch.setattr(module, "decode_body", lambda *given: decoded.release() or real(*given))
    store.journal.block()

    futures = [intake.accept("default", body(link()), NDJSON, None) for _ in range(5)]

    assert all(decoded.acquire(timeout=WAIT_S) for _ in range(5))
    assert not any(future.done() for future in futures)
    store.journal.unblock()
    assert [future.result(WAIT_S).accepted for future in futures] == [1] * 5
    until(lambda: (intake.waiting_bodies, intake.waiting_bytes) == (0, 0))


def commits_of_five(store, monkeypatch, together, sent, encoding):
    """How many commits five such bodies take that wait together, each decoded with the committer standing in line."""
    monkeypatch.setattr(module, "PATIENCE_S", 60.0)
    monkeypatch.setattr(module, "TOGETHER_BYTES", together)
    monkeypatch.setattr(committer, "QUICK_S", 60.0)
    made = Intake(store)
    turns, submit = made.committer.turns, made.committer.submit

    def submitted(*given):
        submit(*given)
        until(lambda: len(turns._line) == 2)  # the committer stands in line, behind the decoder

    monkeypatch.setattr(made.committer, "submit", submitted)
    with turns.taken():
        made.start()
        futures = [made.accept("default", sent, NDJSON, encoding) for _ in range(5)]
    receipts = [future.result(WAIT_S) for future in futures]
    made.close()
    assert len({receipt.accepted for receipt in receipts}) == 1
    assert receipts[0].accepted > 0
    return made.committer.counts.commits


@pytest.mark.parametrize(("together", "commits"), [(1 << 20, 1), (1, 5)])
def test_bodies_that_wait_together_are_decoded_together_up_to_a_bound(store, monkeypatch, together, commits):
    assert commits_of_five(store, monkeypatch, together, body(link()), None) == commits


def test_what_compressed_bodies_hold_is_within_that_bound_too(store, monkeypatch):
    lines = body(*[link() for _ in range(100)])
    packed, together = gzip.compress(lines), len(lines) // 2
    assert 5 * len(packed) < together

    assert commits_of_five(store, monkeypatch, together, packed, "gzip") > 1


@pytest.mark.parametrize("limit", ["MAX_WAITING_BODIES", "MAX_WAITING_BYTES"])
def test_more_bodies_than_intake_may_hold_are_asked_to_come_back(intake, monkeypatch, limit):
    going_on = threading.Event()
    real = module.decode_body
    monkeypatch.setattr(module, "decode_body", lambda *given: going_on.wait(WAIT_S) and real(*given))
    monkeypatch.setattr(module, limit, 1)
    waiting = intake.accept("default", body(link()), NDJSON, None)

    with pytest.raises(IntakeFull) as refusal:
        intake.accept("default", body(link()), NDJSON, None).result(WAIT_S)

    assert (refusal.value.status, refusal.value.retry_after_s) == (429, 1)
    going_on.set()
    assert waiting.result(WAIT_S).accepted == 1
    until(lambda: not intake.waiting_bodies)
    assert intake.accept("default", body(link()), NDJSON, None).result(WAIT_S).accepted == 1


def test_a_body_that_waited_until_its_sender_gives_up_is_turned_away_unread(intake, monkeypatch, url):
    passed, reached, going_on = [0.0], threading.Event(), threading.Event()
    real = module.decode_body

    def held(*given):
        reached.set()
        assert going_on.wait(WAIT_S)
        return real(*given)

    monkeypatch.setattr(module, "monotonic_s", lambda: passed[0])
    monkeypatch.setattr(module, "decode_body", held)
    first, late = (intake.accept("default", body(link()), NDJSON, None) for _ in range(2))
    assert reached.wait(WAIT_S)

    passed[0] = module.ANSWER_S + 1
    in_time = intake.accept("default", body(link()), NDJSON, None)
    going_on.set()

    assert (first.result(WAIT_S).accepted, in_time.result(WAIT_S).accepted) == (1, 1)
    with pytest.raises(IntakeFull, match="9 s ago") as refusal:
        late.result(WAIT_S)
    assert (refusal.value.status, refusal.value.retry_after_s) == (429, 1)
    assert len(stored_records(url)) == 2
    until(lambda: not intake.waiting_bodies)


def test_while_the_store_fails_nothing_is_decoded_in_vain(intake, store, monkeypatch):
    store.journal.break_down(StoreUnavailable("gone"))
    intake.accept("default", body(link()), NDJSON, None)
    until(lambda: intake.committer.failure)
    monkeypatch.setattr(module, "decode_body", lambda *_: pytest.fail("decoded"))

    with pytest.raises(IntakePaused):
        intake.accept("default", body(link()), NDJSON, None).result(WAIT_S)


def test_closing_finishes_what_was_accepted_and_takes_nothing_new(store, url):
    intake = Intake(store)
    futures = [intake.accept("default", part, NDJSON, None) for part in bodies(Workload(20), 20)]
    intake.start()

    intake.close(drain_s=WAIT_S)

    assert sum(future.result(0).accepted for future in futures) == len(stored_records(url)) == 140
    with pytest.raises(IntakePaused):
        intake.accept("default", body(link()), NDJSON, None).result(0)
    intake.close()


def test_closing_answers_everybody_even_when_it_never_began(store):
    intake = Intake(store)
    future = intake.accept("default", body(link()), NDJSON, None)

    intake.close()

    with pytest.raises(IntakePaused):
        future.result(0)
