"""Starting: settings that cannot be meant, stores that cannot be had, and servers inside another program."""

import http.client
import json
import socket
import threading
from dataclasses import fields
from urllib.parse import urlsplit

import httpx2
import pytest

from flowtrail.model.errors import Refusal, StoreMissing
from flowtrail.server.listening import CannotListen
from flowtrail.server.run import serve, serving
from flowtrail.server.settings import SETTINGS, Settings, read_settings
from flowtrail.storage import open_store
from tests.support.faults import until
from tests.support.served import NDJSON, ndjson, served, transaction, transaction_id


@pytest.fixture
def store(tmp_path):
    return f"sqlite:{tmp_path / 'store'}"


@pytest.mark.parametrize(
    ("given", "environment", "named"),
    [
        ({"port": 99_999}, {}, "port"),
        ({"port": -1}, {}, "port"),
        ({}, {"FLOWTRAIL_DRAIN_S": "soon"}, "FLOWTRAIL_DRAIN_S"),
        ({}, {"FLOWTRAIL_DRAIN_S": "nan"}, "FLOWTRAIL_DRAIN_S"),
        ({}, {"FLOWTRAIL_LOG_LEVEL": "loud"}, "FLOWTRAIL_LOG_LEVEL"),
        ({"host": "0.0.0.0"}, {}, "FLOWTRAIL_API_KEY"),
        ({}, {"FLOWTRAIL_API_KEY": "short"}, "FLOWTRAIL_API_KEY"),
        ({"store": "oracle:x"}, {}, "oracle:x"),
        ({"store": "memory:", "intake_workers": 2}, {}, "intake_workers"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(given, environment, named, monkeypatch, capsys):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    code = serve(**{"port": 0} | given)

    said = capsys.readouterr()
    assert code == 2
    assert named in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_a_store_that_cannot_be_reached_is_told_in_a_sentence(capsys):
    code = serve(store="mongodb://nobody:secret@127.0.0.1:1/x?serverSelectionTimeoutMS=100", port=0)

    said = capsys.readouterr().err
    assert code == 1
    assert "secret" not in said


def test_an_address_that_is_not_this_machines_is_told_in_a_sentence(store, capsys, monkeypatch):
    monkeypatch.setenv("FLOWTRAIL_API_KEY", "a-key-of-some-length")

    assert serve(store=store, host="192.0.2.1", port=0) == 1
    assert "192.0.2.1" in capsys.readouterr().err


def test_what_is_given_beats_the_environment_and_the_environment_the_defaults():
    environment = {"FLOWTRAIL_PORT": "1234", "FLOWTRAIL_READ_THREADS": "3", "FLOWTRAIL_HOST": ""}

    settings = read_settings(environment, port=4321, host=None)

    assert (settings.port, settings.read_threads, settings.host) == (4321, 3, "127.0.0.1")


def test_every_setting_is_in_the_table_once():
    assert [setting.field for setting in SETTINGS] == [entry.name for entry in fields(Settings)]
    assert len({setting.variable for setting in SETTINGS}) == len(SETTINGS)


def test_a_server_inside_a_program_takes_in_and_projects(store):
    with serving(store, writing=True) as url, httpx2.Client(base_url=url) as client:
        token = client.post("/v1/records", content=ndjson([transaction()]), headers=NDJSON).json()["token"]

        found = client.get(f"/v1/transactions/{transaction_id()}", headers={"Flowtrail-After": token})

        assert found.status_code == 200
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("name", ["flowtrail.py", "queue.py"])
def test_files_of_the_present_directory_are_not_taken_for_modules(store, name, tmp_path, monkeypatch):
    (tmp_path / name).write_text("raise SystemExit('this is not what was meant')")
    monkeypatch.chdir(tmp_path)

    with serving(store, writing=True) as url:
        token = httpx2.post(url + "/v1/records", content=ndjson([transaction()]), headers=NDJSON).json()[
            "token"
        ]
        answer = httpx2.get(url + "/v1/transactions", headers={"Flowtrail-After": token}, timeout=30)

    assert answer.json()["total"] == 1


def test_when_it_is_left_what_was_taken_in_is_visible_and_the_store_is_free(store):
    with serving(store, writing=True) as url:
        httpx2.post(url + "/v1/records", content=ndjson([transaction()]), headers=NDJSON)

    with serving(store, writing=True) as url:
        assert httpx2.get(url + "/v1/transactions").json()["total"] == 1
    assert [
        thread.name for thread in threading.enumerate() if thread.name in {"http", "commit", "decode"}
    ] == []


def test_a_request_that_a_stop_does_not_wait_for_is_told_so(caplog):
    with served(drain_s=0.1) as server:
        place = urlsplit(server.url)
        waiting = socket.create_connection((place.hostname, place.port), timeout=10)
        head = "POST /v1/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        waiting.sendall(f"{head}Content-Length: 9\r\n\r\n{{".encode())
        until(lambda: server.services.bodies.held == 9)

    with waiting:
        answer = http.client.HTTPResponse(waiting)
        answer.begin()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert json.loads(answer.read())["code"] == "stopping"
    assert not any(record.exc_info for record in caplog.records)


def test_an_export_that_a_stop_does_not_wait_for_breaks_off_without_a_stack_trace(caplog):
    with served(drain_s=0.1) as server:
        server.seen(*(transaction(number, attributes={"text": "x" * 100_000}) for number in range(1, 150)))
        place = urlsplit(server.url)
        waiting = socket.create_connection((place.hostname, place.port), timeout=10)
        waiting.sendall(b"GET /v1/export HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: server.services.exports.under_way == 1)

    with waiting:
        answer = http.client.HTTPResponse(waiting)
        answer.begin()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
    assert not any(record.exc_info for record in caplog.records)


def test_any_number_may_read_a_store_that_is_written(store):
    with serving(store, writing=True) as first:
        httpx2.post(first + "/v1/records", content=ndjson([transaction()]), headers=NDJSON)
        with serving(store, writing=False) as second, serving(store, writing=False) as third:
            for url in (second, third):
                assert httpx2.get(url + "/v1/transactions").status_code == 200
                answer = httpx2.post(url + "/v1/records", content=ndjson([transaction()]), headers=NDJSON)
                assert answer.json()["code"] == "read_only"


def test_reading_takes_no_lock_and_projects_nothing(store):
    made = open_store(store)
    with serving(store, writing=False):
        made.hold()
        assert made.view_writer().acquire("me", 5.0).epoch == 1
    made.close()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("FLOWTRAIL_REDACTION", "/is/not/there"), ("FLOWTRAIL_API_KEY", "short"), ("FLOWTRAIL_PORT", "any")],
)
def test_reading_a_store_needs_no_setting_of_the_environment(store, variable, value, monkeypatch):
    with serving(store, writing=True):
        pass
    monkeypatch.setenv(variable, value)

    with serving(store, writing=False) as url:
        assert httpx2.get(url + "/v1/transactions").status_code == 200


def test_writing_a_store_obeys_the_rules_of_the_environment_and_no_other_setting(store, monkeypatch):
    monkeypatch.setenv("FLOWTRAIL_API_KEY", "short")
    with serving(store, writing=True) as url:
        assert httpx2.get(url + "/v1/transactions").status_code == 200

    monkeypatch.setenv("FLOWTRAIL_REDACTION", "/is/not/there")
    with pytest.raises(Refusal, match="FLOWTRAIL_REDACTION"), serving(store, writing=True):
        pass


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_a_host_that_cannot_be_one_is_told_in_a_sentence(store, host, capsys, monkeypatch):
    monkeypatch.setenv("FLOWTRAIL_API_KEY", "long-enough")

    assert serve(store=store, host=host, port=0) == 1
    assert capsys.readouterr().err == f"flowtrail: there is no address {host}: no host can be called so\n"


def test_reading_a_store_that_is_not_there_makes_none(store, tmp_path):
    with pytest.raises(StoreMissing), serving(store, writing=False):
        pass

    assert not (tmp_path / "store").exists()


def test_a_port_that_is_taken_is_not_served_on(store):
    with serving("memory:", writing=True) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(CannotListen, match=str(port)), serving(store, writing=True, port=port):
            pass


def test_an_unknown_kind_of_store_is_refused():
    with pytest.raises(Refusal), serving("oracle:x", writing=True):
        pass
