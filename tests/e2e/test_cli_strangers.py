"""What listens at an address need be no Flowtrail server: every command says so, and takes none of it for an answer."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flowtrail.cli import settings
from tests.support.program import NOW
from tests.support.served import ndjson

pytestmark = pytest.mark.usefixtures("alone")

READING = {
    "list": ["list", "status:failed"],
    "list as JSON": ["list", "--json"],
    "show": ["show", "4711"],
    "show an id": ["show", "ab" * 16],
    "stats": ["stats"],
    "tail": ["tail"],
    "producers": ["producers"],
    "export": ["export", "--output", "file"],
    "import": ["import", "records", "log"],
}
PAGE = (200, "text/html; charset=utf-8", b"<html><body>Welcome to nginx!</body></html>")
STRANGERS = {
    "a page": PAGE,
    "a page that is called JSON": (200, "application/json", PAGE[2]),
    "JSON of its own": (200, "application/json", b'{"hello": "world"}'),
    "a list": (200, "application/json", b"[]"),
    "records of its own": (200, "application/x-ndjson", b'{"kind":"transaction"}\n'),
    "nothing": (200, "text/plain", b""),
    "not found": (404, "text/html", b"<h1>404 Not Found</h1>"),
    "not found as JSON": (404, "application/json", b'{"detail":"Not Found"}'),
    "a bad request": (400, "text/plain", b"Bad Request"),
    "a bad request as JSON": (400, "application/json", b'{"rejected":[{"index":0}]}'),
    "a problem of others": (404, "application/problem+json", b'{"title":"Not Found","status":404}'),
    "a method it has not": (405, "text/html", b""),
}


@contextmanager
def stranger(status, media_type, body, **headers):
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def log(tmp_path):
    (tmp_path / "log").write_bytes(ndjson([{"kind": "flow", "flow": "f", "version": "1", "at": NOW}]))


@pytest.mark.parametrize("words", READING.values(), ids=READING)
@pytest.mark.parametrize("answer", STRANGERS.values(), ids=STRANGERS)
def test_a_server_of_others_is_said_to_be_none(flowtrail, log, words, answer, tmp_path):
    with stranger(*answer) as url:
        answered = flowtrail(*words, "--url", url)

    assert (answered.code, answered.out) == (1, "")
    media_type = answer[1].partition(";")[0]
    assert answered.err == (
        f"flowtrail: there is no Flowtrail server at {url}: something else answers there"
        f" ({answer[0]}, {media_type})\n"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["log"]


@pytest.mark.parametrize("words", READING.values(), ids=READING)
@pytest.mark.parametrize("path", ["/some/path", "/v1", "/v1/transactions", "/v1/transactions/", "/healthz"])
def test_a_path_too_many_is_told_with_the_address_that_is_right(flowtrail, told, log, words, path, tmp_path):
    answered = flowtrail(*words, "--url", told.url + path)

    assert (answered.code, answered.out) == (1, "")
    assert answered.err == (
        f"flowtrail: there is no Flowtrail server at {told.url}{path}, but one at {told.url}: name that\n"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["log"]


@pytest.mark.parametrize("words", READING.values(), ids=READING)
def test_a_redirect_is_told_with_where_it_leads(flowtrail, log, words):
    with stranger(301, "text/html", b"", Location="https://elsewhere.example/") as url:
        answered = flowtrail(*words, "--url", url)

    assert answered.code == 1
    assert f"there is no Flowtrail server at {url}: it sends on to https://elsewhere.example/" in answered.err


@pytest.mark.parametrize("words", [words for name, words in READING.items() if name != "import"])
def test_a_proxy_whose_server_is_gone_is_not_said_to_be_something_else(flowtrail, words):
    with stranger(502, "text/html", b"<h1>502 Bad Gateway</h1>") as url:
        answered = flowtrail(*words, "--url", url)

    assert answered.code == 1
    assert f"{url} does not answer as a Flowtrail server does (502, text/html)" in answered.err


def test_a_server_with_a_slash_behind_its_address_is_one(flowtrail, told):
    assert flowtrail("show", "4711", "--url", told.url + "/").code == 0


def test_what_is_not_there_is_still_told_by_ours_with_3(flowtrail, told):
    assert flowtrail("show", "ab" * 16, "--url", told.url).code == 3


def test_the_doctor_knows_a_stranger(flowtrail):
    with stranger(*PAGE) as url:
        answered = flowtrail("doctor", "--json", "--url", url)

    assert answered.code == 1
    (server,) = [each for each in json.loads(answered.out) if each["what"] == "server"]
    assert not server["well"]
    assert f"there is no Flowtrail server at {url}" in server["told"]


def test_a_stranger_on_the_default_port_is_passed_over(flowtrail, told, monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "DEFAULT_STORE", "sqlite:./flowtrail-data")
    with stranger(*PAGE) as url:
        monkeypatch.setattr(settings, "DEFAULT_URL", url)

        assert "there is no store in ./flowtrail-data" in flowtrail("list").err
        (tmp_path / "flowtrail-data").symlink_to(told.store.removeprefix("sqlite:"))
        assert "order 4711" in flowtrail("list").out
