"""The page at `/`: readable without anything from elsewhere, and nothing in a record can become part of it."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from flowtrail.storage.interface import Cursor
from tests.support.served import served, transaction, transaction_id

EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"


class Read(HTMLParser):
    """The page as a browser takes it apart."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)
        self.text = " ".join(self.words)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data):
        self.words.append(data)


def test_it_says_what_runs_what_is_new_and_what_to_try(server):
    server.seen(transaction(1), transaction(2))

    answer = server.get("/")
    page = Read(answer.text)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for expected in (
        "version",
        "store: memory",
        "order 4711",
        "order 4712",
        "in transit",
        "2 in all",
        "curl",
    ):
        assert expected in page.text
    assert ("a", "href", f"/v1/transactions/{transaction_id(1)}") in page.attributes
    assert server.url in page.text


def test_an_empty_store_is_no_empty_page(server):
    assert "Nothing yet" in server.get("/").text


def test_a_search_that_finds_nothing_says_so_and_not_that_there_is_nothing(server, monkeypatch):
    server.seen(transaction(1))

    found = server.get("/", q="status:failed").text
    assert "Nothing matches." in found
    assert "Nothing yet" not in found

    select = server.store.transactions.select
    cursor = Cursor(1, b"\1" * 16, 1)
    monkeypatch.setattr(
        server.store.transactions,
        "select",
        lambda selection: replace(select(selection), next=cursor, short=True),
    )
    assert "a narrower query looks at less" in server.get("/", q="status:failed").text


def test_what_it_links_to_is_there(server):
    server.seen(transaction())
    page = Read(server.get("/").text)

    for tag, name, value in page.attributes:
        if name == "href":
            assert tag == "a"
            assert server.client.get(value).status_code == 200


@pytest.mark.parametrize("field", ["object_id", "object_type", "flow"])
def test_what_stands_in_a_record_is_text(server, field):
    server.seen(transaction(**{field: EVIL}))
    server.seen(
        {
            "kind": "end",
            "transaction": transaction_id(2),
            "outcome": "failed",
            "ended_at": "2026-11-23T10:00:00Z",
            "reason": EVIL,
        }
    )

    page = Read(server.get("/").text)

    assert EVIL in page.text
    assert not {"script", "img"} & set(page.tags)
    assert not any(name.startswith("on") for _, name, _ in page.attributes)


def test_what_is_searched_for_is_text(server):
    server.seen(transaction())
    page = Read(server.get("/", q='"' + '\\"><script>').text)

    assert "script" not in page.tags

    found = server.get("/", q="4711")
    assert ("input", "value", "4711") in Read(found.text).attributes
    assert "1 in all" in found.text


def test_a_query_that_is_wrong_is_told_on_the_page(server):
    answer = server.get("/", q="status:")

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert 'role="alert"' in answer.text
    assert ("input", "value", "status:") in Read(answer.text).attributes


def test_nothing_is_loaded_from_elsewhere_and_the_policy_says_so(server):
    answer = server.get("/")
    policy = answer.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    page = Read(answer.text)
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "style" not in {name for _, name, _ in page.attributes}, "the policy would drop it"
    assert "url(" not in style
    assert "@import" not in style


def test_it_says_what_is_wrong(server):
    server.services.projector.stop(2)

    assert "the projector is down" in server.get("/").text


def test_with_a_key_the_commands_name_it_without_telling_it():
    with served(key="the-key-itself") as server:
        page = server.get("/").text

    assert "FLOWTRAIL_API_KEY" in page
    assert "the-key-itself" not in page


def test_a_page_of_a_store_that_fails_says_so(server):
    from flowtrail.model.errors import StoreUnavailable

    def fail(_):
        raise StoreUnavailable("nobody answers")

    server.store.transactions.select = fail

    answer = server.get("/")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert 'flowtrail_refusals_total{code="store_unavailable"} 1.0' in server.get("/metrics").text
    assert "nobody answers" in answer.text
