"""The server as users run it: a process, its children, its signals, and what is left when one of them dies."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import threading
import time

import httpx2
import psutil
import pytest

from flowtrail.model.tokens import parse_token
from flowtrail.storage import open_store
from tests.support.faults import until
from tests.support.process import run_serve, server_process
from tests.support.served import NDJSON, block, end, ndjson, transaction, transaction_id

PROJECTING, WORKING = "flowtrail.server.projecting", "flowtrail.server.working"


@pytest.fixture
def store(tmp_path):
    return f"sqlite:{tmp_path / 'store'}"


def send(client, *records):
    answer = client.post("/v1/records", content=ndjson(records), headers=NDJSON)
    assert answer.status_code == 200, answer.text
    return answer.json()["token"]


def gone(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def journaled(store_url):
    """How many pages are durable, read by a handle of our own."""
    store = open_store(store_url, create=False)
    try:
        return sum(head.sequence for head in store.journal.heads())
    finally:
        store.close()


def test_it_tells_its_address_takes_records_and_answers(store):
    with server_process(store) as server, server.client() as client:
        server.ready()
        token = send(client, transaction(), block(), end())

        found = client.get(f"/v1/transactions/{transaction_id()}", headers={"Flowtrail-After": token})

        assert found.json()["status"] == "delivered"
        assert server.stop() == 0
    assert [line for line in server.said if "listens on" not in line] == [], "nothing else is said"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_finishes_what_was_begun_and_loses_nothing(store, number):
    answers, tokens = [], []
    stop = threading.Event()

    def produce(url, first):
        with httpx2.Client(base_url=url, timeout=30) as client:
            for each in range(first, first + 10_000):
                try:
                    answer = client.post("/v1/records", content=ndjson([transaction(each)]), headers=NDJSON)
                except httpx2.HTTPError:
                    return
                answers.append(answer.status_code)
                if answer.status_code == 200:
                    tokens.append(each)
                if stop.is_set() and answer.status_code != 200:
                    return

    with server_process(store) as server:
        threads = [
            threading.Thread(target=produce, args=(server.url, first)) for first in (1, 20_000, 40_000)
        ]
        for thread in threads:
            thread.start()
        until(lambda: len(tokens) > 100)
        stop.set()
        code = server.stop(number)
        for thread in threads:
            thread.join()

    assert code == 0
    assert set(answers) <= {200, 503}
    left = open_store(store, create=False)
    try:
        for each in tokens:
            assert left.transactions.find("default", bytes.fromhex(transaction_id(each))) is not None
        heads = {head.writer.ordinal: head.sequence for head in left.journal.heads()}
        assert left.changes.visible() == heads, "the views had caught up before it left"
    finally:
        left.close()


def test_a_request_under_way_is_finished_before_the_server_leaves(store):
    with server_process(store) as server:
        place = httpx2.URL(server.url)
        body = ndjson([transaction()])
        with socket.create_connection((place.host, place.port), timeout=20) as slow:
            slow.sendall(
                b"POST /v1/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body) + body[:10]
            )
            until(lambda: b"flowtrail" in httpx2.get(server.url + "/metrics").content)
            server.process.send_signal(signal.SIGTERM)
            until(lambda: refused(place))
            slow.sendall(body[10:])
            answer = slow.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        assert server.process.wait(30) == 0
    assert journaled(store) == 1


def test_a_request_under_way_at_a_worker_is_finished_likewise(store):
    with server_process(store, "--intake-workers", "1") as server, contextlib.ExitStack() as stack:
        until(lambda: b'process="1"' in httpx2.get(server.url + "/metrics").content)
        place = httpx2.URL(server.url)
        slow = {}
        for number in range(1, 200):
            connection = socket.create_connection((place.host, place.port), timeout=20)
            stack.enter_context(connection)
            connection.sendall(posted(ndjson([transaction(number)])))
            (writer,) = parse_token(json.loads(answered(connection).partition(b"\r\n\r\n")[2])["token"])
            slow.setdefault(writer, connection)
            if len(slow) == 2:
                break
        assert len(slow) == 2, "each process has a request under way"
        begun = posted(ndjson([transaction(1_000)]))
        for connection in slow.values():
            connection.sendall(begun[:-10])
        server.process.send_signal(signal.SIGTERM)
        until(lambda: refused(place))
        # The first process is done with its own, and tells the worker so.
        for _, connection in sorted(slow.items()):
            time.sleep(0.5)
            connection.sendall(begun[-10:])
            assert answered(connection).startswith(b"HTTP/1.1 200 ")
        assert server.process.wait(30) == 0


def posted(body):
    return (
        b"POST /v1/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body) + body
    )


def answered(connection):
    """An answer in JSON, head and body; what came of it where the connection ends."""
    got = b""
    while not got.endswith(b"}") and (more := connection.recv(65_536)):
        got += more
    return got


def refused(place):
    """Whether nobody accepts connections any more."""
    try:
        socket.create_connection((place.host, place.port), timeout=1).close()
    except OSError:
        return True
    return False


def test_a_second_signal_hurries(store):
    with server_process(store, FLOWTRAIL_DRAIN_S="600") as server:
        place = httpx2.URL(server.url)
        with socket.create_connection((place.host, place.port), timeout=20) as slow:
            slow.sendall(b"POST /v1/records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n1")
            server.process.send_signal(signal.SIGTERM)
            until(lambda: refused(place))
            assert server.process.poll() is None, "it waits for the one who is slow"

            assert server.stop() == 0
        until(lambda: not psutil.pid_exists(server.process.pid))


def test_a_second_signal_hurries_while_views_catch_up(store):
    with server_process(store, FLOWTRAIL_DRAIN_S="600") as server, server.client() as client:
        (projector,) = server.children(PROJECTING)
        projector.suspend()
        send(client, transaction())
        client.close()
        server.process.send_signal(signal.SIGTERM)
        until(lambda: refused(httpx2.URL(server.url)))
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.5)

        assert server.stop() == 0
        assert gone(projector), "one that does not listen is killed"


def test_a_second_server_on_the_store_is_refused_with_the_address_of_the_first(store):
    with server_process(store) as server:
        second = run_serve("--store", store, "--port", "0")
        same_port = run_serve("--store", store, "--port", server.url.rpartition(":")[2])

        for refused_one in (second, same_port):
            assert refused_one.returncode == 1
            assert server.url in refused_one.stderr
            assert "held by" in refused_one.stderr
            assert "Traceback" not in refused_one.stderr
        assert httpx2.get(server.url + "/readyz").status_code == 200


def test_a_port_in_use_is_told_in_a_sentence(store):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        refused_one = run_serve("--store", store, "--port", port)

    assert refused_one.returncode == 1
    assert port in refused_one.stderr
    assert "in use" in refused_one.stderr
    assert refused_one.stderr.count("\n") == 1


def test_settings_come_from_the_environment_too(store, tmp_path):
    with server_process(store, FLOWTRAIL_API_KEY="a-key-of-some-length") as server:
        assert httpx2.get(server.url + "/v1/flows").status_code == 401
        given = {"Authorization": "Bearer a-key-of-some-length"}
        assert httpx2.get(server.url + "/v1/flows", headers=given).status_code == 200


def test_a_misspelled_variable_is_told_and_does_not_keep_the_server_from_starting(store):
    with server_process(
        store, FLOWTRAIL_REDACTIONS="rules.json", FLOWTRAIL_SERVICE_HOST="10.0.0.1"
    ) as server:
        server.ready()
    odd = [line for line in server.said if "nobody reads" in line]
    assert odd == ["flowtrail: nobody reads FLOWTRAIL_REDACTIONS; did you mean FLOWTRAIL_REDACTION?\n"]


def test_a_projector_that_dies_is_started_again_and_goes_on(store):
    with server_process(store) as server, server.client() as client:
        (projector,) = server.children(PROJECTING)
        send(client, transaction(1))
        projector.kill()

        token = send(client, transaction(2))

        answer = client.get("/v1/transactions", headers={"Flowtrail-After": token})
        assert answer.json()["total"] == 2
        assert server.stop() == 0
    assert any("starts again" in line for line in server.said)


def test_when_the_server_is_killed_its_children_leave_and_the_next_one_takes_over(store):
    with server_process(store, "--intake-workers", "1") as server, server.client() as client:
        until(lambda: server.children(WORKING))
        children = server.children("flowtrail.server")
        token = send(client, transaction(1))
        assert len(children) == 2
        server.process.kill()
        server.process.wait()
        until(lambda: all(gone(child) for child in children))
    with server_process(store) as again, again.client() as client:
        answer = client.get("/v1/transactions", headers={"Flowtrail-After": token})
        assert answer.json()["total"] == 1


def test_live_readers_resume_at_the_next_server(store):
    def follow(url, last_id=None):
        headers = {"Last-Event-ID": last_id} if last_id else {}
        return httpx2.stream("GET", url + "/v1/live", headers=headers, timeout=20)

    def first_event(answer):
        found = {}
        for line in answer.iter_lines():
            if not line and "event" in found:
                return found["event"], json.loads(found["data"])["id"], found["id"]
            name, _, value = line.partition(": ")
            found[name] = value
        raise EOFError

    with server_process(store) as server, server.client() as client:
        with follow(server.url) as answer:
            lines = threading.Thread(target=lambda: send(client, transaction(1)))
            lines.start()
            name, told, last = first_event(answer)
            lines.join()
            assert (name, told) == ("match", transaction_id(1))
        send(client, transaction(2))
        assert server.stop() == 0
    with server_process(store) as again:
        with follow(again.url, last) as answer:
            name, told, _ = first_event(answer)
        assert (name, told) == ("match", transaction_id(2))
        assert again.stop() == 0


def test_workers_take_records_too_each_with_a_writer_of_its_own(store):
    with server_process(store, "--intake-workers", "2") as server:
        until(lambda: len(server.children(WORKING)) == 2)
        number = 0
        tokens = []
        writers = set()
        for _ in range(200):
            number += 1
            with server.client() as client:
                tokens.append(send(client, transaction(number)))
            writers.update(parse_token(tokens[-1]))
            if len(writers) == 3:
                break
        assert len(writers) == 3, "every process was asked"
        with server.client() as client:
            until(lambda: sum(accepted(client).values()) == number)
            assert set(accepted(client)) == {"0", "1", "2"}, "whoever is asked tells the counts of all"
            for token in tokens[-3:]:
                answer = client.get("/v1/transactions", headers={"Flowtrail-After": token})
                assert answer.json()["total"] == number
        assert server.stop() == 0
    left = open_store(store, create=False)
    assert len(left.journal.heads()) == 3
    left.close()


def accepted(client):
    """Records accepted, by process."""
    text = client.get("/metrics").text
    found = re.findall(r'^flowtrail_records_accepted_total{process="(\d)"} (\S+)$', text, re.MULTILINE)
    return {process: float(value) for process, value in found}


def test_a_worker_that_dies_is_started_again_and_nothing_secret_stands_on_a_command_line(store):
    with server_process(store, "--intake-workers", "1") as server:
        until(lambda: len(server.children("flowtrail.server")) == 2)
        words = [word for child in server.children("flowtrail.server") for word in child.cmdline()]
        assert store not in words, "a store's URL may hold a password"
        (worker,) = server.children(WORKING)
        worker.kill()

        until(lambda: [child for child in server.children(WORKING) if child.pid != worker.pid])
        for number in range(1, 20):
            with server.client() as client:
                send(client, transaction(number))
        assert server.stop() == 0


def test_what_is_written_between_two_runs_is_there(store):
    for number in (1, 2):
        with server_process(store) as server, server.client() as client:
            token = send(client, transaction(number))
            answer = client.get("/v1/transactions", headers={"Flowtrail-After": token})
            assert answer.json()["total"] == number
            assert server.stop(signal.SIGKILL) == -signal.SIGKILL
