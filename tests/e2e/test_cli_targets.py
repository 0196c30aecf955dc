"""Where a command looks: at the server or the store it is given, and otherwise at what it finds."""

import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import httpx2
import pytest

from flowtrail.cli import settings
from flowtrail.cli.failures import Failure
from flowtrail.cli.target import Client
from flowtrail.simulator.story import story
from tests.support.program import NOW, PROGRAM
from tests.support.served import ndjson

pytestmark = pytest.mark.usefixtures("alone")


@pytest.mark.parametrize("key", ["schlüssel", "of two\nlines"])
def test_a_key_that_no_header_can_carry_is_told_as_that(flowtrail, monkeypatch, told, key):
    monkeypatch.setenv("FLOWTRAIL_API_KEY", key)

    answered = flowtrail("list", "--url", told.url)

    assert (answered.code, answered.out) == (2, "")
    assert answered.err == "flowtrail: FLOWTRAIL_API_KEY is no key: a header carries printable ASCII alone\n"


def test_a_store_answers_like_its_server_while_that_holds_it(flowtrail, told):
    words = ("list", "flow:shop-to-erp", "--json")

    assert flowtrail(*words, "--store", told.store).out == flowtrail(*words, "--url", told.url).out


def test_writing_to_a_store_that_a_server_holds_is_refused_with_its_address(told, tmp_path):
    (tmp_path / "x.ndjson").write_bytes(ndjson(story(NOW)))

    for words in (["import", "records", "x.ndjson"], ["rebuild"]):
        refused = subprocess.run(
            [*PROGRAM, *words, "--store", told.store],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert refused.returncode == 1
        assert told.url.removeprefix("http://") in refused.stderr
        assert "Traceback" not in refused.stderr


def test_the_environment_names_a_server(flowtrail, told, monkeypatch):
    monkeypatch.setenv("FLOWTRAIL_URL", told.url)

    assert flowtrail("show", "4711").code == 0


def test_a_server_on_the_default_port_is_found(flowtrail, told, monkeypatch):
    monkeypatch.setattr(settings, "DEFAULT_URL", told.url)

    assert flowtrail("show", "4711").code == 0


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:{port}", "socks5://127.0.0.1:{port}", "nonsense:1"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    flowtrail, told, monkeypatch, variable, proxy
):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        monkeypatch.setenv(variable, proxy.format(port=listener.getsockname()[1]))
        monkeypatch.delenv("NO_PROXY", raising=False)

        asked = [flowtrail("list", *where).code for where in (("--store", told.store), ("--url", told.url))]
        monkeypatch.setattr(settings, "DEFAULT_URL", told.url)
        asked.append(flowtrail("list").code)

        assert asked == [0, 0, 0]
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_proxy_that_cannot_be_used_is_told_as_that(flowtrail, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "socksio", None)

    answered = flowtrail("list", "--url", "http://flowtrail.example")

    assert answered.code == 2
    assert answered.err.startswith("flowtrail: the proxy that the environment names cannot be used: ")


def test_without_server_and_store_it_says_how_to_get_one(flowtrail):
    answered = flowtrail("list")

    assert answered.code == 1
    assert "flowtrail serve" in answered.err


@pytest.mark.parametrize(
    ("where", "code"),
    [
        (["--url", "http://127.0.0.1:1"], 1),
        (["--url", "not an address"], 2),
        (["--url", "http://[::1"], 2),
        (["--store", "sqlite:./nothing-here"], 1),
        (["--store", "postgres://x"], 2),
        (["--url", "http://127.0.0.1:1", "--store", "memory:"], 2),
    ],
)
def test_an_address_that_leads_nowhere_is_told(flowtrail, where, code):
    answered = flowtrail("list", *where)

    assert answered.code == code
    assert answered.err.startswith("flowtrail: ")


def answering(*answers):
    """A client of a server that gives these answers, and how long it waited before each further one."""
    client, waited, left = Client("http://127.0.0.1:1", None), [], list(answers)
    client.http = httpx2.Client(
        base_url=client.url, transport=httpx2.MockTransport(lambda _: left.pop(0)), timeout=5
    )
    client.stopping = SimpleNamespace(wait=waited.append)
    return client, waited


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        (None, 1.0),
        ("3", 3.0),
        ("0", 1.0),
        ("99999999", 60.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1.0),
        ("Wed, 21 Oct 2190 07:28:00 GMT", 60.0),
        ("soon", 1.0),
    ],
)
def test_a_server_that_is_busy_is_asked_again_when_it_says(asked, waits):
    headers = {} if asked is None else {"Retry-After": asked}
    receipt = {"accepted": 1, "rejected": [], "token": "t"}
    client, waited = answering(httpx2.Response(503, headers=headers), httpx2.Response(200, json=receipt))

    assert client.records(b"{}") == receipt
    assert waited == [waits]


@pytest.mark.parametrize("status", [429, 502, 503, 504, 507])
def test_records_are_sent_again_while_a_server_is_busy_or_full_or_away_behind_its_proxy(status):
    receipt = {"accepted": 1, "rejected": [], "token": "t"}
    client, waited = answering(httpx2.Response(status), httpx2.Response(200, json=receipt))

    assert client.records(b"{}") == receipt
    assert waited == [1.0]


def test_what_is_not_visible_yet_is_not_asked_for_without_a_pause():
    client, waited = answering(
        httpx2.Response(503, headers={"Retry-After": "2"}), httpx2.Response(504), httpx2.Response(200)
    )

    client.wait_visible("token")
    assert waited == [2.0, 0.1]


def test_a_server_that_restarts_while_records_become_visible_is_waited_for(monkeypatch):
    client, waited = answering(httpx2.Response(502), httpx2.Response(200))
    answered, away = client.http.request, iter([httpx2.ConnectError("refused")] * 2)

    def request(*words, **rest):
        if error := next(away, None):
            raise error
        return answered(*words, **rest)

    monkeypatch.setattr(client.http, "request", request)

    client.wait_visible("token")
    assert waited == [1.0, 1.0, 0.1]


def test_a_server_that_stays_away_is_not_waited_for_without_end(monkeypatch):
    monkeypatch.setattr("flowtrail.cli.target._PATIENCE_S", -1.0)

    with pytest.raises(Failure, match="does not answer"):
        Client("http://127.0.0.1:1", None).wait_visible("token")


def test_a_document_of_which_nothing_comes_for_a_while_is_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}", None)
        client.http.timeout = httpx2.Timeout(5, read=0.1)

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                named = b'Content-Disposition: attachment; filename="flowtrail.csv"'
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + named + b"\r\nContent-Length: 3\r\n\r\n")
                time.sleep(0.5)
                connection.sendall(b"end")

        thread = threading.Thread(target=answer)
        thread.start()
        with client.streamed("/v1/export", {}) as parts:
            assert b"".join(parts) == b"end"
        thread.join()
