"""Tasks of Celery: run in place, and by a worker with a broker in memory."""

import datetime as dt
import uuid
from collections.abc import Iterator

import pytest
from celery import Celery, shared_task, signals
from celery.app.task import Context
from celery.contrib.testing.worker import start_worker
from celery.exceptions import Ignore, Reject

import flowtrail as sdk
from flowtrail.sdk.integrations.celery import Tasks, connect
from tests.support.faults import until

WAIT_S = 20
PAST = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@shared_task(name="shop.deliver", ignore_result=False)
def deliver(order: str) -> str:
    with sdk.block("send"):
        return f"delivered {order}"


@shared_task(name="shop.fail")
def fail(order: str) -> None:
    raise KeyError("sku")


@shared_task(name="shop.again", bind=True, max_retries=2)
def again(self, order: str) -> int:
    with sdk.block("send"):
        if self.request.retries < 2:
            raise self.retry(exc=ConnectionError("partner is away"), countdown=0)
        return self.request.retries


@shared_task(name="shop.own", bind=True, max_retries=2)
def own(self, order: str) -> int:
    with sdk.transaction("order", order), sdk.block("send"):
        if self.request.retries < 2:
            raise self.retry(exc=ConnectionError("partner is away"), countdown=0)
    return self.request.retries


@shared_task(name="shop.late", bind=True)
def late(self, order: str) -> None:
    raise self.retry(exc=ConnectionError("partner is away"), countdown=0, expires=PAST)


@shared_task(name="shop.ignore")
def ignore(order: str) -> None:
    raise Ignore


@shared_task(name="shop.reject")
def reject(order: str) -> None:
    raise Reject("no", requeue=False)


@shared_task(name="shop.split")
def split(order: str) -> str:
    return deliver.delay(order).id


@pytest.fixture(scope="module")
def app() -> Iterator[Celery]:
    app = Celery("shop", broker="memory://", backend="cache+memory://")
    app.conf.task_default_queue = uuid.uuid4().hex
    app.set_default()
    yield app
    app.close()


def _configure_nothing(**_: object) -> None:
    pass


@pytest.fixture(scope="module")
def worker(app: Celery) -> Iterator[None]:
    # Whoever configures logging here keeps Celery from doing it for the whole process.
    signals.setup_logging.connect(_configure_nothing)
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=WAIT_S):
        yield


@pytest.fixture
def in_place(app: Celery) -> Iterator[None]:
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.fixture
def tasks(flowtrail) -> Iterator[Tasks]:
    listening = connect()
    yield listening
    listening.disconnect()


def until_ended(flowtrail, object_id) -> None:
    """The result of a task is there a moment before its worker is done with it."""
    until(lambda: flowtrail.get(object_id).status != "in_transit")


# ------------------------------------------------------------------------------------- by a worker


def test_a_task_sent_from_a_transaction_is_a_block_of_it_which_waited(flowtrail, tasks, worker):
    with sdk.transaction("order", "4711") as order, order.block("hand on"):
        result = deliver.delay("4711")
    assert result.get(timeout=WAIT_S) == "delivered 4711"

    seen = flowtrail.assert_path("4711", ["hand on", "shop.deliver", "send"])
    block = seen.block("shop.deliver")
    assert block["queued_at"] is not None
    assert block["wait_s"] > 0
    assert block["parent"] == seen.block("hand on")["id"]
    assert seen.block("send")["parent"] == block["id"]
    assert len(flowtrail.transactions) == 1


def test_a_task_of_nobody_is_a_transaction_of_its_own(flowtrail, tasks, worker):
    result = deliver.delay("4711")
    result.get(timeout=WAIT_S)

    seen = flowtrail.assert_path(result.id, ["shop.deliver", "send"])
    assert seen.object_type == "task"
    until_ended(flowtrail, result.id)
    flowtrail.assert_delivered(result.id)


def test_a_task_that_fails_fails_its_own_transaction(flowtrail, tasks, worker):
    result = fail.delay("4711")
    with pytest.raises(KeyError):
        result.get(timeout=WAIT_S)

    until_ended(flowtrail, result.id)
    flowtrail.assert_failed(result.id, KeyError, block="shop.fail", match="sku")


def test_a_task_that_fails_is_a_failed_block_of_who_sent_it(flowtrail, tasks, worker):
    with sdk.transaction("order", "4711"):
        result = fail.delay("4711")
    with pytest.raises(KeyError):
        result.get(timeout=WAIT_S)

    until(lambda: "running" not in [block["status"] for block in flowtrail.get("4711").blocks])
    flowtrail.assert_path("4711", ["shop.fail/failed"])
    flowtrail.assert_delivered("4711")


@pytest.mark.parametrize("sent_from_a_transaction", [False, True])
def test_a_task_sent_again_goes_on_as_the_next_attempt(flowtrail, tasks, worker, sent_from_a_transaction):
    if sent_from_a_transaction:
        with sdk.transaction("order", "4711"):
            result = again.delay("4711")
    else:
        result = again.delay("4711")
    assert result.get(timeout=WAIT_S) == 2

    about = "4711" if sent_from_a_transaction else result.id
    until_ended(flowtrail, about)
    until(lambda: "running" not in [block["status"] for block in flowtrail.get(about).blocks])
    seen = flowtrail.assert_path(about, ["shop.again/failed", "send"] * 2 + ["shop.again/succeeded", "send"])
    runs = seen.blocks[::2]
    assert [block["attempt"] for block in runs] == [1, 2, 3]
    assert [block["parent"] for block in runs] == [None] * 3, "each beside the one before"
    assert [block["parent"] for block in seen.blocks[1::2]] == [block["id"] for block in runs]
    assert runs[0]["exceptions"][0]["type"] == "ConnectionError"
    flowtrail.assert_delivered(about)
    assert len(flowtrail.transactions) == 1


def test_a_task_sent_again_from_within_a_transaction_of_its_own_code_goes_on_as_what_it_was(
    flowtrail, tasks, worker
):
    result = own.delay("4711")
    assert result.get(timeout=WAIT_S) == 2

    until_ended(flowtrail, result.id)
    seen = flowtrail.assert_path(result.id, ["shop.own/failed", "shop.own/failed", "shop.own/succeeded"])
    assert [block["attempt"] for block in seen.blocks] == [1, 2, 3]
    flowtrail.assert_delivered(result.id)
    orders = [each for each in flowtrail.transactions if each.object_type == "order"]
    assert [(each.status, each.path) for each in orders] == [
        ("failed", ["send"]),
        ("failed", ["send"]),
        ("delivered", ["send"]),
    ]


@pytest.mark.parametrize("state", ["REJECTED", "RETRY", "IGNORED"])
def test_a_task_that_could_not_be_sent_again_is_ended_by_the_run_that_tried(flowtrail, tasks, state):
    task_id = str(uuid.uuid4())
    known = {"sender": again, "task_id": task_id, "task": again, "args": ("4711",), "kwargs": {}}
    signals.task_prerun.send(**known)
    signals.before_task_publish.send(sender="shop.again", headers={"id": task_id})
    signals.task_postrun.send(**known, state=state, retval=None)

    assert flowtrail.get(task_id).status == ("failed" if state == "REJECTED" else "in_transit")
    assert flowtrail.handed_over == (set() if state == "REJECTED" else {flowtrail.get(task_id).id})


def test_a_task_that_sends_another_takes_the_transaction_along(flowtrail, tasks, worker):
    with sdk.transaction("order", "4711"):
        result = split.delay("4711")
    deliver.AsyncResult(result.get(timeout=WAIT_S)).get(timeout=WAIT_S)

    seen = flowtrail.assert_path("4711", ["shop.split", "shop.deliver", "send"])
    assert seen.block("shop.deliver")["parent"] == seen.block("shop.split")["id"]


def test_a_task_that_expires_before_its_next_attempt_cancels_what_that_was_to_end(flowtrail, tasks, worker):
    result = late.delay("4711")

    until(lambda: flowtrail.find(result.id) is not None)
    until_ended(flowtrail, result.id)
    seen = flowtrail.assert_path(result.id, ["shop.late/failed", "shop.late/skipped"])
    assert [block["attempt"] for block in seen.blocks] == [1, 2]
    flowtrail.assert_skipped(result.id, by="celery.expired")
    flowtrail.assert_cancelled(result.id, by="celery.expired")


def test_a_task_that_is_never_run_is_skipped_in_the_transaction_it_was_sent_from(flowtrail, tasks, worker):
    with sdk.transaction("order", "4711") as order, order.block("hand on"):
        deliver.apply_async(("4711",), expires=PAST)

    until(lambda: len(flowtrail.get("4711").blocks) == 2)
    flowtrail.assert_path("4711", ["hand on", "shop.deliver/skipped"])
    flowtrail.assert_delivered("4711")


@pytest.mark.parametrize("terminated", [False, True])
def test_a_task_that_is_revoked_ends_what_was_handed_to_it(flowtrail, tasks, terminated):
    with sdk.transaction("order", "4711") as order:
        headers = order.inject(handover=True)
    signals.task_revoked.send(
        sender=deliver, request=Context(headers), terminated=terminated, signum=None, expired=False
    )
    signals.task_revoked.send(
        sender=deliver, request=Context(), terminated=terminated, signum=None, expired=False
    )

    (seen,) = flowtrail.transactions
    assert seen.path == ([] if terminated else ["shop.deliver"])
    flowtrail.assert_cancelled("4711", by="celery.revoked")


# ------------------------------------------------------------------------------------- in place


def test_a_task_run_in_place_is_a_block_where_it_is_called(flowtrail, tasks, in_place):
    with sdk.transaction("order", "4711") as order, order.block("hand on"):
        assert deliver.delay("4711").get() == "delivered 4711"

    flowtrail.assert_path("4711", ["hand on", "shop.deliver", "send"])
    assert sdk.current_transaction() is None


def test_a_task_run_again_in_place_is_one_transaction(flowtrail, tasks, in_place):
    result = again.delay("4711")
    assert result.get() == 2

    (seen,) = flowtrail.transactions
    runs = [block for block in seen.blocks if block["block"] == "shop.again"]
    assert [block["status"] for block in runs] == ["failed", "failed", "succeeded"]
    assert [block["attempt"] for block in runs] == [1, 2, 3]
    assert seen.id == result.id.replace("-", "")
    flowtrail.assert_delivered(result.id)


def test_a_task_that_is_ignored_is_skipped_and_one_that_is_rejected_failed(flowtrail, tasks, in_place):
    ignored, rejected = ignore.delay("1"), reject.delay("2")

    flowtrail.assert_skipped(ignored.id, by="celery.ignored")
    flowtrail.assert_filtered(ignored.id, by="celery.ignored")
    flowtrail.assert_failed(rejected.id, match="rejected")


def test_the_application_says_what_a_task_is_about(flowtrail, app, in_place):
    def identify(task, args, kwargs):
        return ("order", args[0], {"task": task.name}) if task.name == "shop.deliver" else None

    listening = connect(identify=identify, flow="shop-to-erp", stage="egress")
    try:
        deliver.delay("4711")
        fail.delay("4712")
    finally:
        listening.disconnect()

    (seen,) = flowtrail.transactions
    assert (seen.object_type, seen.object_id, seen.flow) == ("order", "4711", "shop-to-erp")
    assert seen.keys == {"task": "shop.deliver"}
    assert seen.block("shop.deliver")["stage"] == "egress"


def test_what_is_wrong_in_the_applications_own_words_does_not_stop_a_task(flowtrail, in_place, app):
    def wrong(*_: object) -> None:
        raise RuntimeError("no idea")

    listening = connect(identify=wrong)
    try:
        assert deliver.delay("4711").get() == "delivered 4711"
    finally:
        listening.disconnect()

    assert flowtrail.transactions == []


def test_connecting_twice_records_a_task_once_each_and_disconnecting_ends_it(flowtrail, app, in_place):
    before = [len(signal.receivers) for signal in (signals.task_prerun, signals.task_postrun)]
    listening = connect()
    listening.connect()
    listening.disconnect()

    deliver.delay("4711")

    assert flowtrail.transactions == []
    assert [len(signal.receivers) for signal in (signals.task_prerun, signals.task_postrun)] == before


def test_nothing_is_written_into_headers_where_that_was_said(flowtrail, app):
    heard = []

    def hear(headers=None, **_: object) -> None:
        heard.append(dict(headers))

    listening = connect(inject=False)
    signals.before_task_publish.connect(hear)
    try:
        with sdk.transaction("order", "4711"):
            deliver.delay("4711")
    finally:
        listening.disconnect()
        signals.before_task_publish.disconnect(hear)

    assert not {"traceparent", "baggage", "flowtrail-queued-at"} & heard[0].keys()
