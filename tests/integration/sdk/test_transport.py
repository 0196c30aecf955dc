"""Delivery against every way a server can behave: bounded in time and size, and never counting what is not so."""

import socket
import threading
import time
import tracemalloc

import pytest

from flowtrail.sdk.delivery import open_sink
from flowtrail.sdk.notices import forget
from flowtrail.sdk.settings import Settings
from flowtrail.sdk.transport import HttpTransport
from tests.support.hostile import ALL, hostile, random_ways
from tests.support.items import announced

SETTLING = {
    "good",
    "slow",
    "hinted",
    "chunked",
    "old",
    "good_then_shut",
    "refuse_some",
    "refuse_all",
    "too_large",
    "twice",
}
"""Ways that settle what they are sent."""
SAMPLE = 10
RECORDS = 40


def sink(url, **settings):
    return open_sink(Settings(**{"url": url, "batch_s": 0.02, "exit_s": 1.0, "timeout_s": 0.5, **settings}))


def put(delivery, first, number=RECORDS):
    for each in range(first, first + number):
        delivery.put(announced(each))


def check(counts, server, produced):
    assert counts.produced == produced, counts
    assert counts.pending == 0, counts
    assert min([counts.accepted, *counts.rejected.values(), *counts.dropped.values(), 0]) == 0
    # A report is acknowledged too, and nobody put it.
    assert counts.accepted <= len(server.acknowledged)
    assert sum(counts.rejected.values()) <= len(server.refused)
    assert server.settled <= server.seen
    assert server.elsewhere == []


@pytest.mark.parametrize("way", sorted(ALL))
def test_whatever_a_server_does_the_count_is_exact_and_a_good_one_gets_everything(way):
    with hostile([way, "good"]) as server:
        delivery = sink(server.url)
        put(delivery, 0)
        # Who is asked to come back much later does not ask before.
        flushed = delivery.flush(20 if way != "later" else 0.5)
        delivery.close()

        check(delivery.counts(), server, RECORDS)
        assert flushed or way == "later"
        if flushed:
            assert delivery.counts().dropped == {}
            assert len(server.seen) >= RECORDS


@pytest.mark.parametrize(
    "way", ["hang", "drip", "drip_head", "read_slowly", "continue_for_ever", "huge", "huge_head"]
)
def test_a_request_is_over_when_its_time_is(way):
    with hostile([way]) as server:
        delivery = sink(server.url, timeout_s=0.2, exit_s=0.3)
        put(delivery, 0)
        delivery.flush(0.5)

        assert delivery.counts().failures >= 1
        delivery.close()
        assert not delivery._ended.locked(), "the thread is still there"
        assert delivery.counts().dropped == {"exit": RECORDS}


@pytest.mark.parametrize("way", ["huge", "huge_chunked", "huge_line", "deep"])
def test_an_answer_is_held_no_further_than_its_bound(way):
    with hostile([way, "good"]) as server:
        delivery = sink(server.url, timeout_s=20)
        tracemalloc.start()
        put(delivery, 0)
        assert delivery.flush(30)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        delivery.close()

    assert peak < 12 * 1024 * 1024


def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else():
    with hostile(["redirect", "redirect", "good"]) as server:
        delivery = sink(server.url, api_key="top-secret")
        put(delivery, 0)
        assert delivery.flush(20)
        delivery.close()

        assert server.elsewhere == []
        assert set(server.keys) == {"Bearer top-secret"}


def test_a_server_that_asks_for_patience_is_given_it_and_an_exit_does_not_wait_for_it():
    with hostile(["later"], seed=2) as server:
        server.random.choice = lambda options: "600" if "600" in options else options[0]
        delivery = sink(server.url)
        put(delivery, 0)
        assert not delivery.flush(0.6)
        asked = delivery.counts().requests

        delivery.close()

        assert (asked, delivery.counts().requests) == (1, 1)
        assert delivery.counts().dropped == {"exit": RECORDS}


def test_what_is_too_large_at_once_is_sent_in_parts_and_each_record_is_settled_once():
    with hostile(["too_large"]) as server:
        delivery = sink(server.url)
        put(delivery, 0, 100)
        assert delivery.flush(20)
        counts = delivery.counts()
        delivery.close()

        assert (counts.accepted, counts.rejected, counts.failures) == (100, {}, 0)


def test_a_kept_connection_that_was_closed_meanwhile_costs_no_failure():
    with hostile(["good_then_shut"]) as server:
        delivery = sink(server.url)
        for first in range(5):
            put(delivery, first * RECORDS)
            assert delivery.flush(20)
        counts = delivery.counts()
        delivery.close()

        assert (counts.accepted, counts.failures) == (5 * RECORDS, 0)


def test_what_is_said_before_an_answer_is_not_taken_for_it():
    with hostile(["hinted"]) as server:
        delivery = sink(server.url)
        for first in range(3):
            put(delivery, first * RECORDS)
            assert delivery.flush(20)
        counts = delivery.counts()
        delivery.close()

        assert (counts.accepted, counts.failures, counts.requests) == (3 * RECORDS, 0, 3)


def test_an_address_that_swallows_everything_leaves_time_for_the_next_one(monkeypatch):
    found = socket.getaddrinfo
    with hostile(["good"]) as server, socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        # Nobody takes these, so the system drops whatever knocks after them.
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(deaf.getsockname())
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *given, **named: found(*deaf.getsockname(), **named) + found(*given, **named),
        )
        delivery = sink(server.url, timeout_s=1.0)
        put(delivery, 0)
        assert delivery.flush(5)
        delivery.close()
        for each in waiting:
            each.close()

        check(delivery.counts(), server, RECORDS)
        assert delivery.counts().failures == 0


def test_an_address_of_a_kind_this_machine_does_not_speak_leaves_the_next_one(monkeypatch):
    found = socket.getaddrinfo
    unspoken = (socket.AF_UNSPEC, socket.SOCK_STREAM, 0, "", ("::1", 1, 0, 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **named: [unspoken, *found(*given, **named)])
    with hostile(["good"]) as server:
        delivery = sink(server.url)
        put(delivery, 0)
        assert delivery.flush(5)
        delivery.close()

        check(delivery.counts(), server, RECORDS)
        assert delivery.counts().failures == 0


def test_a_connection_that_was_cut_when_its_answer_had_come_costs_no_failure():
    with hostile(["good"]) as server:
        delivery = sink(server.url)
        put(delivery, 0)
        assert delivery.flush(20)
        # As before a fork, a moment too late; at the end there is no second try.
        delivery._courier.transport.cut()
        put(delivery, RECORDS)
        delivery.close()

        check(delivery.counts(), server, 2 * RECORDS)
        assert (delivery.counts().failures, delivery.counts().dropped) == (0, {})
        assert len(server.acknowledged) > 2 * RECORDS, "and the last report"


def test_an_answer_that_was_not_waited_for_is_not_taken_for_the_next_one():
    def stumble():
        raise MemoryError

    with hostile(["hang"]) as server:
        transport = HttpTransport(server.url, 65_536, stumble)
        with pytest.raises(MemoryError):
            transport.post(b"{}", {}, 10)

        assert transport._line is None


def test_nobody_there_is_noticed_at_once_and_said_once(caplog):
    with hostile(["good"]) as server:
        url = server.url
    forget()
    delivery = sink(url, exit_s=60)
    put(delivery, 0)
    delivery.flush(0.3)
    put(delivery, 100)
    delivery.flush(0.3)
    begun = time.monotonic()
    delivery.close()

    assert time.monotonic() - begun < 30
    assert delivery.counts().dropped == {"exit": 2 * RECORDS}
    assert [record.levelname for record in caplog.records if record.name == "flowtrail"] == ["WARNING"]
    assert url in caplog.text


@pytest.mark.parametrize("seed", range(SAMPLE))
def test_a_sample_of_random_scripts_counts_exactly(seed):
    with hostile(random_ways(seed), seed) as server:
        delivery = sink(server.url, exit_s=0.3, overload=["drop-newest", "drop-oldest"][seed % 2])
        threads = [threading.Thread(target=put, args=(delivery, 1_000 * number)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        delivery.close()

        check(delivery.counts(), server, 3 * RECORDS)
