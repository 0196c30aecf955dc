"""Who may ask: a bearer of the key, or somebody on this very machine whom no foreign page has sent."""

import base64

import pytest

from flowtrail.model.errors import Refusal
from flowtrail.server.settings import read_settings
from tests.support.served import problem, served, transaction

KEY = "a-key-of-some-length"
ROUTES = ["/v1/transactions", "/v1/live", "/metrics", "/openapi.json", "/nope", "/"]


@pytest.fixture(scope="module")
def locked():
    with served(key=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def local():
    with served() as running:
        yield running


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer wrong", f"bearer {KEY}x", KEY, f"Token {KEY}", "Bearer ä"]
)
def test_without_the_key_nothing_is_answered(locked, path, given):
    answer = locked.client.get(path, headers={"Authorization": given.encode()})

    problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Basic" if path == "/" else "Bearer")
    assert KEY not in answer.text


def test_with_the_key_everything_is_answered(locked):
    assert locked.post(transaction()).status_code == 200
    assert locked.get("/v1/transactions").status_code == 200
    assert locked.client.get("/v1/flows", headers={"Authorization": f"bearer   {KEY}"}).status_code == 200


def test_with_the_key_any_host_and_origin_may_ask(locked):
    headers = {"Host": "flowtrail.example", "Origin": "https://elsewhere.example"}

    assert locked.client.get("/v1/flows", headers=headers).status_code == 200


def test_probes_need_no_key(locked):
    for path in ("/healthz", "/readyz"):
        assert locked.client.get(path, headers={"Authorization": ""}).status_code == 200


def test_a_browser_may_give_the_key_as_password_of_the_page_alone(locked):
    basic = "Basic " + base64.b64encode(f"anybody:{KEY}".encode()).decode()

    assert locked.client.get("/", headers={"Authorization": basic}).status_code == 200
    for path, given in (("/v1/flows", basic), ("/", "Basic !!!"), ("/", "Basic eDp5")):
        problem(locked.client.get(path, headers={"Authorization": given}), 401, "unauthorized")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8765", "127.0.0.1", "127.3.2.1:1", "[::1]:8765", "a.localhost"]
)
def test_names_of_this_machine_may_be_asked_for(local, host):
    assert local.client.get("/v1/flows", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "[::2]",
        "0.0.0.0",
        "",
        "[",
    ],
)
def test_a_foreign_host_is_refused_since_names_can_be_rebound(local, host):
    told = problem(local.client.get("/v1/flows", headers={"Host": host}), 403, "foreign_host")

    assert told["field"] == "Host"


@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://127.0.0.1", "https://[::1]:3"])
def test_a_page_of_this_machine_may_ask(local, origin):
    assert local.post(transaction(), Origin=origin).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "", "file://"]
)
def test_a_foreign_page_is_refused(local, origin):
    told = problem(local.post(transaction(), Origin=origin), 403, "foreign_origin")

    assert told["field"] == "Origin"


def test_probes_too_are_not_for_foreign_pages(local):
    problem(local.client.get("/healthz", headers={"Origin": "https://evil.example"}), 403, "foreign_origin")


def test_beyond_this_machine_only_with_a_key():
    with pytest.raises(Refusal) as caught:
        read_settings({}, host="0.0.0.0")
    assert caught.value.code == "key_required"

    assert read_settings({"FLOWTRAIL_API_KEY": KEY}, host="0.0.0.0").api_key == KEY


@pytest.mark.parametrize("key", ["short", "with space here", "schlüssel-lang", "line\nbreak"])
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(key):
    with pytest.raises(Refusal) as caught:
        read_settings({"FLOWTRAIL_API_KEY": key})

    assert key not in str(caught.value)
    assert key not in str(caught.value.received)
