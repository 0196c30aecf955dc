"""The live feed over real sockets: what is told, in which order, with ids from which nothing is missed."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2
import pytest

from flowtrail.server import live
from tests.support.faults import until
from tests.support.served import block, end, problem, served, transaction, transaction_id

PATIENCE_S = 60


class Events:
    """Reads one feed."""

    def __init__(self, lines):
        self._lines = lines

    def block(self):
        """The next block of lines: field -> value; comments under ""."""
        fields = {}
        for line in self._lines:
            if not line:
                if fields:
                    return fields
                continue
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        raise EOFError

    def next(self):
        """The next event: name, data, id. Beats come for ever, so it is they that are counted on to end the waiting."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            fields = self.block()
            if "event" in fields:
                return fields["event"], json.loads(fields["data"]), fields["id"]
        raise AssertionError(f"no event in {PATIENCE_S} s")


@contextmanager
def following(server, query="", last_id=None, **headers):
    """An open feed that has begun."""
    if last_id is not None:
        headers["Last-Event-ID"] = last_id
    with httpx2.Client(base_url=server.url, timeout=20) as client:  # noqa: SIM117 -- the client closes last
        with client.stream("GET", "/v1/live", params={"q": query}, headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = Events(answer.iter_lines())
            if last_id is None:
                first = events.block()
                assert "event" not in first
                events.start = first["id"]
            yield events


def numbers_of(text):
    generation, epoch, number = text.rsplit(".", 2)
    return generation, int(epoch), int(number)


def test_what_matches_is_told_as_lists_show_it(server):
    with following(server) as events:
        server.seen(transaction())
        name, data, last = events.next()

    assert name == "match"
    assert data == server.get("/v1/transactions").json()["transactions"][0]
    assert numbers_of(last) == tuple(server.store.changes.revision())


def test_the_feed_begins_now(server):
    server.seen(transaction(1))

    with following(server) as events:
        server.seen(transaction(2))
        _, data, _ = events.next()

    assert data["id"] == transaction_id(2)


def test_what_matches_no_more_is_gone_for_whom_it_was_sent_to(server):
    with following(server, "status:in_transit") as told, following(server, "status:failed") as never:
        server.seen(transaction())
        assert told.next()[0] == "match"

        server.seen(end())
        server.seen(transaction(2), end(2, "failed"))

        assert told.next()[:2] == ("gone", {"id": transaction_id()})
        assert never.next()[1]["id"] == transaction_id(2), "of the first it never heard"


def test_what_came_back_is_told_and_gone_again(server):
    with following(server, "status:in_transit") as events:
        for said, name in (
            (transaction(), "match"),
            (end(), "gone"),
            (transaction(attempt=2, created_at="2026-11-23T12:00:00Z"), "match"),
            (end(attempt=2, ended_at="2026-11-23T12:00:01Z"), "gone"),
        ):
            server.seen(said)
            # Before the next: the feed tells states, and who is back before anybody looked was never gone.
            assert events.next()[0] == name


def test_ids_name_revisions_up_to_which_all_was_sent(server):
    with following(server) as events:
        before = numbers_of(events.start)[2]
        server.seen(*(transaction(number) for number in range(1, 6)))
        ids = [numbers_of(events.next()[2])[2] for _ in range(5)]

    revision = server.store.changes.revision().number
    assert ids[-1] == revision
    assert ids == sorted(ids)
    assert ids.count(revision) == 1, "whoever is cut before the last of a revision gets the revision again"
    assert ids[0] == before or len(set(ids)) == 5


def test_a_reader_resumes_where_he_was(server):
    with following(server) as events:
        server.seen(transaction(1))
        _, _, last = events.next()
    server.seen(transaction(2))
    server.seen(transaction(3))

    with following(server, last_id=last) as events:
        told = [events.next()[1]["id"] for _ in range(2)]

    assert told == [transaction_id(2), transaction_id(3)]


def test_who_resumes_hears_that_what_he_may_hold_is_gone(server):
    with following(server, "status:in_transit") as events:
        server.seen(transaction())
        _, _, last = events.next()
    server.seen(end())

    with following(server, "status:in_transit", last_id=last) as events:
        assert events.next()[:2] == ("gone", {"id": transaction_id()})


def test_who_resumes_far_back_gets_everything_since(server, monkeypatch):
    monkeypatch.setattr("flowtrail.server.feed.CHUNK", 3)
    with following(server) as events:
        start = events.start
    for first in range(1, 40, 10):
        server.seen(*(transaction(number) for number in range(first, first + 10)))

    with following(server, last_id=start) as events:
        told = {events.next()[1]["id"] for _ in range(40)}

    assert told == {transaction_id(number) for number in range(1, 41)}


@pytest.mark.parametrize("change", ["generation", "future number", "future epoch"])
def test_what_cannot_be_resumed_is_answered_with_reset_and_goes_on_from_now(server, change):
    server.seen(transaction(1))
    generation, epoch, number = server.store.changes.revision()
    last = {
        "generation": f"other.{epoch}.{number}",
        "future number": f"{generation}.{epoch}.{number + 1}",
        "future epoch": f"{generation}.{epoch + 1}.{number}",
    }[change]

    with following(server, last_id=last) as events:
        name, _, last = events.next()
        assert (name, numbers_of(last)) == ("reset", (generation, epoch, number))
        server.seen(transaction(2))
        assert events.next()[1]["id"] == transaction_id(2)


def test_a_number_past_its_epochs_end_is_answered_with_reset(server):
    server.seen(transaction(1))
    generation, epoch, number = server.store.changes.revision()
    server.services.projector.stop(5)
    writer = server.store.view_writer()
    assert writer.acquire("another", 5.0).epoch == epoch + 1

    with following(server, last_id=f"{generation}.{epoch}.{number}") as events:
        assert "event" not in events.block(), "its own end can be resumed"
    with following(server, last_id=f"{generation}.{epoch}.{number + 1}") as events:
        assert events.next()[0] == "reset"


def test_rebuilt_views_reset_those_who_listen(server):
    from flowtrail.intake.projector import Projector

    server.seen(transaction(1))
    with following(server) as events:
        server.services.projector.stop(5)
        writer = server.store.view_writer()
        fresh = writer.begin_rebuild()
        projector = Projector(server.store.journal, fresh)
        projector.catch_up()
        projector.close()
        writer.finish_rebuild(fresh)

        name, _, last = events.next()

    assert name == "reset"
    assert numbers_of(last)[0] == server.store.changes.revision().generation


@pytest.mark.parametrize("id", ["nonsense", "a.b.c", "a.1", "g.1.-2", "g.1.99999999999999999999", ".1.2"])
def test_what_is_no_id_of_ours_is_refused(server, id):
    answer = server.client.get("/v1/live", headers={"Last-Event-ID": id})

    assert problem(answer, 400, "invalid_event_id")["field"] == "Last-Event-ID"


@pytest.mark.parametrize("query", ["is:stuck", "is:late", "status:failed -is:stuck", "created:-1h.."])
def test_what_changes_without_a_change_is_refused(server, query):
    answer = server.get("/v1/live", q=query)

    assert answer.status_code == 400
    assert answer.json()["field"] == "q"


def test_a_malformed_query_and_a_foreign_parameter_are_refused_before_anything_is_sent(server):
    assert problem(server.get("/v1/live", q="status:"), 400, "invalid_query")["field"] == "q"
    assert problem(server.get("/v1/live", since="1"), 400, "unknown_parameter")["field"] == "since"


def test_no_more_feeds_than_allowed():
    with served(live_connections=1) as server, following(server):
        answer = server.get("/v1/live")
        problem(answer, 503, "too_many_live")
        assert int(answer.headers["retry-after"]) >= 1


def test_a_feed_that_was_left_makes_room():
    with served(live_connections=1) as server:
        for _ in range(3):
            with following(server):
                pass
            until(lambda: server.services.hub.count == 0)


def test_nobody_looks_while_nobody_listens(server, monkeypatch):
    with following(server):
        assert len(server.services.hub._feeds) == 1
    feed = server.services.hub._feeds["default"]

    until(feed.follower.done)


def test_a_silent_feed_gives_signs_of_life_with_the_present_revision(server, monkeypatch):
    monkeypatch.setattr(live, "BEAT_S", 0.05)
    with following(server, "status:failed") as events:
        server.seen(transaction())
        revision = server.store.changes.revision().number

        while numbers_of(events.block()["id"])[2] < revision:
            pass


def test_many_listeners_with_one_question_are_answered_by_one_look(server, monkeypatch):
    looked = []
    real = live.look_up
    monkeypatch.setattr(live, "look_up", lambda *args: looked.append(1) or real(*args))
    with following(server) as one, following(server) as two, following(server) as three:
        server.seen(transaction())
        assert len({json.dumps(each.next()[1]) for each in (one, two, three)}) == 1

    assert len(looked) == 1


def test_who_falls_behind_what_is_shared_reads_for_himself_and_misses_nothing(server, monkeypatch):
    monkeypatch.setattr(live, "SHARED", 1)
    monkeypatch.setattr("flowtrail.server.feed.CHUNK", 2)
    monkeypatch.setattr(live, "ROWS", 4)
    with following(server) as events:
        for first in range(1, 31, 10):
            server.seen(*(transaction(number) for number in range(first, first + 10)))

        told = set()
        while len(told) < 30:
            told.add(events.next()[1]["id"])


def test_who_takes_nothing_is_cut_and_can_resume(monkeypatch):
    monkeypatch.setattr(live, "STALL_S", 0.3)
    with served() as server:
        place = urlsplit(server.url)
        stuck = socket.socket()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect((place.hostname, place.port))
        stuck.sendall(b"GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: server.services.hub.count == 1)
        text = "x" * 20_000
        # More than every buffer on the way takes; nobody reads.
        for batch in range(30):
            server.seen(
                *(
                    transaction(batch * 20 + number, attributes={"text": text + str(number)})
                    for number in range(1, 21)
                )
            )

        until(lambda: server.services.hub.cut == 1)
        until(lambda: server.services.hub.count == 0)
        stuck.close()
        assert b"flowtrail_live_cut_total 1.0" in server.get("/metrics").content


def test_who_leaves_in_the_middle_of_events_is_no_error(server, caplog):
    place = urlsplit(server.url)
    with socket.socket() as leaving:
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        leaving.connect((place.hostname, place.port))
        leaving.sendall(b"GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: server.services.hub.count == 1)
        text = "x" * 20_000
        # More than every buffer on the way takes, so that an event waits to be sent when he goes.
        for batch in range(30):
            numbers = range(batch * 20 + 1, batch * 20 + 21)
            server.seen(*(transaction(each, attributes={"text": f"{text}{each}"}) for each in numbers))

    until(lambda: server.services.hub.count == 0)
    assert server.get("/healthz").status_code == 200
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_listener_remembers_a_bounded_number_and_tells_more_rather_than_less(server, monkeypatch):
    monkeypatch.setattr(live, "REMEMBERED", 2)
    with following(server, "status:in_transit") as events:
        for number in range(1, 5):
            server.seen(transaction(number))
            assert events.next()[0] == "match"
        server.seen(end(1))

        assert events.next()[:2] == ("gone", {"id": transaction_id(1)})


def test_a_store_that_fails_for_a_while_does_not_end_the_feed(server, monkeypatch):
    from flowtrail.model.errors import StoreUnavailable

    monkeypatch.setattr(live, "PAUSE_S", 0.05)
    with following(server) as events:
        real = server.store.changes.changed
        broken = threading.Event()

        def fail(*_args):
            broken.set()
            raise StoreUnavailable("nobody answers")

        server.store.changes.changed = fail
        server.seen(transaction())
        assert broken.wait(10)
        server.store.changes.changed = real

        assert events.next()[1]["id"] == transaction_id()


def test_a_feed_waits_for_what_was_written_before_it_begins(server):
    token = server.written(transaction(1))

    with following(server, **{"Flowtrail-After": token}) as events:
        server.seen(transaction(2))
        assert events.next()[1]["id"] == transaction_id(2)


def test_a_stop_ends_the_feed_so_that_readers_come_back():
    with served() as server, following(server) as events:
        server.server.should_exit = True
        with pytest.raises(EOFError):
            events.next()


def test_blocks_and_ends_are_told_with_what_they_change(server):
    states = []
    with following(server) as events:
        for said in (
            transaction(),
            block(1, 1, status="failed", exceptions=[{"type": "KeyError"}]),
            end(1, "failed"),
        ):
            server.seen(said)
            # Before the next: what changes twice before it is told is told as it is then.
            _, data, _ = events.next()
            states.append((data["status"], data["has_failures"]))

    assert states == [("in_transit", False), ("in_transit", True), ("failed", True)]
