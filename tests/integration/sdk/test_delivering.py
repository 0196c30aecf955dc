"""Producer to server, both real: what was put can be read back, and both sides count the same."""

import gc
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

import flowtrail
from flowtrail.sdk.delivery import open_sink
from flowtrail.sdk.notices import forget
from flowtrail.sdk.settings import Settings
from tests.support.faults import until
from tests.support.hostile import hostile
from tests.support.items import Told, announced
from tests.support.served import served


def sink(server, **settings):
    return open_sink(Settings(**{"url": server.url, "batch_s": 0.02, "producer": "shop 1/ä", **settings}))


def account(server, delivery):
    """What the server says of the session, once it has its report."""

    def rows():
        found = {row["producer"]: row for row in server.get("/v1/producers").json()["producers"]}
        return found.get(delivery.producer, {})

    until(lambda: rows().get("report"))
    return rows()


@pytest.fixture(params=["memory", "spill"])
def waiting(request, tmp_path):
    """Settings for where records wait."""
    return {} if request.param == "memory" else {"spill_dir": str(tmp_path / "spill"), "spill_mib": 8}


def open_files():
    """How many files this process has open, where the system says so."""
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


def test_what_was_put_is_there_and_the_account_is_closed(server, waiting):
    delivery = sink(server, **waiting)
    for number in range(5_000):
        delivery.put(announced(number))
    assert delivery.flush(30)
    delivery.close()

    counts = delivery.counts()
    assert (counts.accepted, counts.produced, counts.pending) == (5_000, 5_000, 0)
    row = account(server, delivery)
    assert (row["verdict"], row["accepted"], row["missing"]) == ("complete", 5_001, 0)
    assert (row["report"]["produced"], row["report"]["sent"], row["report"]["unsent"]) == (5_001, 5_001, 0)
    until(lambda: server.get("/v1/transactions", page_size="1", count="exact").json()["total"] == 5_000)


def test_what_the_server_refuses_is_counted_by_its_code_on_both_sides(server):
    delivery = sink(server)
    for number in range(30):
        delivery.put(announced(number) if number % 3 else Told(flow="f"))
    assert delivery.flush(30)
    delivery.close()

    counts = delivery.counts()
    assert (counts.accepted, counts.rejected) == (20, {"missing_field": 10})
    row = account(server, delivery)
    assert (row["accepted"], row["rejected"], row["missing"]) == (21, 10, 0)


def test_the_first_refusal_is_said_once_with_its_code(server, caplog):
    forget()
    with caplog.at_level("WARNING", "flowtrail"):
        delivery = sink(server)
        for number in range(3):
            delivery.put(Told(kind="nonsense", number=number))
        assert delivery.flush(20)
        delivery.close()

    (code,) = delivery.counts().rejected
    said = f"{server.url} refused a record: {code}. Refused records are counted by code, and not sent again (said once)"
    assert [record.getMessage() for record in caplog.records] == [said]


def test_what_was_given_up_is_told_to_the_server(server):
    delivery = sink(server, memory_mib=4)
    for number in range(20):
        delivery.put(announced(number, cost=1024 * 1024))
    assert delivery.flush(30)
    delivery.put(Told(text="\ud800"))
    delivery.close()

    counts = delivery.counts()
    assert counts.produced == 21
    assert counts.dropped["memory_full"] >= 1
    assert counts.dropped["unencodable"] == 1
    row = account(server, delivery)
    assert row["report"]["dropped"] == counts.dropped
    assert (row["missing"], row["report"]["unsent"]) == (0, 0)


def test_the_key_is_sent_and_without_it_nothing_is_lost_until_it_is_right(tmp_path):
    with served(key="top-secret") as server:
        wrong = sink(server, spill_dir=str(tmp_path / "spill"), api_key="not-the-one", exit_s=0.3)
        for number in range(50):
            wrong.put(announced(number))
        assert not wrong.flush(0.5)
        wrong.close()
        assert wrong.counts().pending == 50

        right = sink(server, spill_dir=str(tmp_path / "spill"), api_key="top-secret")
        right.put(announced(50))
        assert right.flush(20)
        until(lambda: right.counts().adopted.get("accepted") == 50)
        right.close()

        until(lambda: server.get("/v1/transactions", page_size="1", count="exact").json()["total"] == 51)
        assert list((tmp_path / "spill").iterdir()) == []


def test_a_body_beyond_this_machine_is_packed(server, monkeypatch):
    monkeypatch.setattr(Settings, "on_loopback", False)
    delivery = sink(server)
    for number in range(1_000):
        delivery.put(announced(number))
    assert delivery.flush(30)
    delivery.close()

    assert delivery.counts().accepted == 1_000


def test_counting_is_exact_at_every_instant(server, waiting):
    delivery = sink(server, memory_mib=4, **waiting)
    put = [0] * 4
    over = threading.Event()
    wrong = []

    def work(number):
        for each in range(6_000):
            delivery.put(announced(each + number * 10_000, cost=900))
            put[number] += 1

    def read():
        while not over.is_set():
            before = sum(put)
            counts = delivery.counts()
            after = sum(put)
            # A thread may be between the two steps.
            if not before <= counts.produced <= after + len(put):
                wrong.append((before, counts, after))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    reader = threading.Thread(target=read)
    for thread in [reader, *threads]:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert delivery.flush(30)
    over.set()
    reader.join(30)
    delivery.close()

    assert wrong == []
    counts = delivery.counts()
    assert (counts.produced, counts.pending) == (24_000, 0)
    assert account(server, delivery)["missing"] == 0


def test_nothing_is_started_before_the_first_record_and_nothing_is_left_behind(server, waiting):
    files = open_files()
    delivery = sink(server, **waiting)
    assert not delivery.outbox.started
    assert delivery.flush(0)

    delivery.put(announced(1))
    assert delivery.flush(20)
    delivery.close()
    assert not delivery._ended.locked()
    until(lambda: open_files() == files)


def test_an_init_gives_back_what_the_one_before_held(server, waiting, tmp_path):
    files = open_files()
    for number in range(3):
        flowtrail.init(flow="again", url=server.url, batch_s=0.02, **waiting)
        if number:
            with flowtrail.transaction("order", str(number)):
                pass
    flowtrail.shutdown()

    until(lambda: open_files() == files)
    until(lambda: server.get("/v1/transactions", q="flow:again status:delivered").json()["total"] == 2)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_one_before_could_not_deliver_is_adopted_from_its_spill(monkeypatch, tmp_path):
    monkeypatch.setattr("flowtrail.sdk.spilled._LOOK_EVERY_S", 0.05)
    with hostile(["hang", "good"]) as server:
        before = open_sink(
            Settings(url=server.url, batch_s=0.02, exit_s=0.3, timeout_s=0.5, spill_dir=str(tmp_path))
        )
        before.put(announced(1))
        until(lambda: before.tally.requests)
        after = open_sink(Settings(url=server.url, batch_s=0.02, spill_dir=str(tmp_path)))
        before.retire()
        until(lambda: not before._ended.locked())
        for number in range(2, 200):
            after.put(announced(number))
            if after.flush(0.1) and after.counts().adopted:
                break
        after.close()

    assert after.counts().adopted["accepted"] == 1
    assert list(tmp_path.iterdir()) == []


def test_a_session_that_cannot_be_finished_costs_no_time(server, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("flowtrail.sdk.spilled.LeftBehind.is_busy", True)
    monkeypatch.setattr("flowtrail.sdk.spilled.LeftBehind.next", lambda _: asked.append(1))
    delivery = sink(server, spill_dir=str(tmp_path))
    delivery.put(announced(1))
    assert delivery.flush(20)
    asked.clear()
    time.sleep(0.2)
    delivery.close()

    assert len(asked) < 100


def test_where_no_thread_is_to_be_had_the_end_delivers(server, waiting, monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("flowtrail.sdk.delivery._thread.start_new_thread", refuse)
    delivery = sink(server, **waiting)
    for number in range(5):
        delivery.put(announced(number))
    delivery.close(20)

    counts = delivery.counts()
    assert (counts.accepted, counts.produced, counts.pending) == (5, 5, 0)


def test_after_the_end_everything_is_given_up_and_counted(server, waiting):
    delivery = sink(server, **waiting)
    delivery.put(announced(1))
    delivery.close()
    delivery.close()

    for number in range(5):
        delivery.put(announced(number))

    assert delivery.counts().dropped == {"closed": 5}
    assert not delivery.flush(0.1) or delivery.counts().pending == 0


def test_a_signal_handler_may_record_and_read_at_any_instant(server, waiting):
    delivery = sink(server, **waiting)
    seen, handled, inside = [], [], []

    def handle(number, frame):
        delivery.put(announced(10_000 + len(handled)))
        handled.append(1)
        # A handler may be interrupted by the next one, which then looks first.
        if not inside:
            inside.append(1)
            seen.append(delivery.counts().produced)
            inside.clear()

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for number in range(8_000):
            delivery.put(announced(number))
            delivery.counts()
        assert delivery.flush(30)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    delivery.close()

    assert len(seen) > 5
    assert seen == sorted(seen)
    assert delivery.counts().produced == 8_000 + len(handled)


def test_finalisers_may_record(server, waiting):
    delivery = sink(server, **waiting)
    dead = []

    class Dying:
        def __init__(self, number):
            self.number, self.me = number, self

        def __del__(self):
            delivery.put(announced(self.number))
            dead.append(1)

    for number in range(2_000):
        Dying(number)
    # While another thread collects, a collection of ours does nothing.
    until(lambda: gc.collect() + 1 and len(dead) == 2_000)
    assert delivery.flush(30)
    delivery.close()

    assert delivery.counts().accepted == 2_000


@pytest.mark.parametrize("spills", [False, True])
def test_the_producer_api_reaches_the_server_whole(server, tmp_path, spills):
    more = {"spill_dir": str(tmp_path / "spill")} if spills else {}
    flowtrail.init(flow="shop-to-erp", url=server.url, producer="shop", **more)
    try:
        for number in range(50):
            with (
                flowtrail.transaction("order", str(number), keys={"customer": "C-9"}) as order,
                order.block("validate", stage="ingress") as block,
            ):
                block.detail(lines=number)
        assert flowtrail.flush(20)
    finally:
        flowtrail.shutdown()

    until(lambda: server.get("/v1/transactions", q="status:delivered", count="exact").json()["total"] == 50)
    found = server.get("/v1/transactions", q="7").json()["transactions"]
    whole = server.get(f"/v1/transactions/{found[0]['id']}").json()
    assert whole["blocks"][0]["details"] == {"lines": 7}
    assert whole["keys"] == {"customer": "C-9"}


def test_what_became_of_records_can_be_read_after_shutdown_and_what_comes_later_is_counted(server):
    flowtrail.init(flow="shop-to-erp", url=server.url)
    with flowtrail.transaction("order", "4711"):
        pass
    assert flowtrail.shutdown(30)
    settled = flowtrail.stats()

    for _ in range(2):
        with flowtrail.transaction("order", "4712"):
            pass
        flowtrail.shutdown(0)

    counts = flowtrail.stats()
    assert (settled.accepted, settled.produced, settled.pending) == (2, 2, 0)
    assert (counts.producer, counts.accepted, counts.dropped) == (settled.producer, 2, {"closed": 4})
    assert counts.produced == 6


def test_a_spill_that_cannot_be_used_is_said_once_and_costs_no_record(server, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    forget()
    delivery = sink(server, spill_dir=str(tmp_path / "file" / "spill"))
    for number in range(100):
        delivery.put(announced(number))
    assert delivery.flush(20)
    delivery.close()

    assert delivery.counts().accepted == 100
    said = [record.message for record in caplog.records if record.name == "flowtrail"]
    assert len(said) == 1
    assert "spill_dir" in said[0]
