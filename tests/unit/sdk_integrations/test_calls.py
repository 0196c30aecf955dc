"""Calls over HTTP by httpx2 and requests, against a real server."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import httpx2
import pytest
import requests

import flowtrail as sdk
from flowtrail.sdk.integrations import httpx2 as for_httpx2
from flowtrail.sdk.integrations import requests as for_requests


class Partner(BaseHTTPRequestHandler):
    """Answers by the path: /redirect leads to /ok; a number is the status."""

    protocol_version = "HTTP/1.1"
    heard: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def do_GET(self) -> None:
        self.heard.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        path = self.path.partition("?")[0]
        moved = path == "/redirect"
        self.send_response(302 if moved else int(path[1:]) if path[1:].isdigit() else 200)
        if moved:
            self.send_header("location", "/ok")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def partner() -> Iterator[str]:
    Partner.heard = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Partner) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(timeout=10)


def by_httpx2(url: str, **options) -> int:
    with for_httpx2.track(httpx2.Client(follow_redirects=True), **options) as client:
        return client.get(url).status_code


def by_async_httpx2(url: str, **options) -> int:
    async def main() -> int:
        async with for_httpx2.track(httpx2.AsyncClient(follow_redirects=True), **options) as client:
            return (await client.get(url)).status_code

    return asyncio.run(main())


def by_requests(url: str, **options) -> int:
    with for_requests.track(requests.Session(), **options) as session:
        return session.get(url, timeout=10).status_code


CALLS = pytest.mark.parametrize("call", [by_httpx2, by_async_httpx2, by_requests])


@CALLS
def test_a_call_is_a_block_and_carries_the_transaction_on(flowtrail, partner, call):
    with sdk.transaction("order", "4711") as order, order.block("deliver"):
        assert call(f"{partner.replace('//', '//user:secret@')}/ok?token=secret") == 200

    seen = flowtrail.assert_path("4711", ["deliver", "GET 127.0.0.1"])
    block = seen.block("GET 127.0.0.1")
    assert block["details"] == {"method": "GET", "url": f"{partner}/ok", "status": 200}
    assert (block["stage"], block["parent"]) == ("egress", seen.block("deliver")["id"])
    ((_, headers),) = Partner.heard
    with sdk.resume(headers) as resumed, resumed.block("receive"):
        assert resumed.id == seen.id
    assert flowtrail.find("4711").block("receive")["parent"] == block["id"]


@CALLS
def test_redirects_are_part_of_their_call(flowtrail, partner, call):
    with sdk.transaction("order", "4711"):
        assert call(f"{partner}/redirect") == 200

    flowtrail.assert_path("4711", ["GET 127.0.0.1"])
    assert [path for path, _ in Partner.heard] == ["/redirect", "/ok"]
    assert all("traceparent" in headers for _, headers in Partner.heard)


@CALLS
@pytest.mark.parametrize(("status", "expected"), [(200, "succeeded"), (404, "failed"), (503, "failed")])
def test_an_answer_that_says_no_is_a_failure_of_the_block_alone(flowtrail, partner, call, status, expected):
    with sdk.transaction("order", "4711"):
        assert call(f"{partner}/{status}") == status

    flowtrail.assert_delivered("4711")
    flowtrail.assert_path("4711", [f"GET 127.0.0.1/{expected}"])


@CALLS
def test_what_is_a_failure_name_and_stage_can_be_said(flowtrail, partner, call):
    with sdk.transaction("order", "4711"):
        call(f"{partner}/404", name="ask the partner", stage="processing", fails_from=500, inject=False)

    seen = flowtrail.assert_path("4711", ["ask the partner/succeeded"])
    assert seen.block("ask the partner")["stage"] == "processing"
    ((_, headers),) = Partner.heard
    assert not {"traceparent", "tracestate", "baggage"} & headers.keys()


@CALLS
def test_what_is_raised_goes_on_up_and_is_told(flowtrail, call):
    error = requests.ConnectionError if call is by_requests else httpx2.ConnectError
    with pytest.raises(error), sdk.transaction("order", "4711"):
        call("http://127.0.0.1:1/ok")

    flowtrail.assert_failed("4711", error, block="GET 127.0.0.1")


@CALLS
def test_outside_of_any_transaction_nothing_is_recorded_or_injected(flowtrail, partner, call):
    assert call(f"{partner}/ok") == 200

    assert flowtrail.records == []
    ((_, headers),) = Partner.heard
    assert "traceparent" not in headers


@CALLS
def test_tries_of_a_caller_are_counted_as_attempts(flowtrail, partner, call):
    with sdk.transaction("order", "4711"):
        for path in ("503", "503", "200"):
            call(f"{partner}/{path}")

    assert [block["attempt"] for block in flowtrail.find("4711").blocks] == [1, 2, 3]
    flowtrail.assert_path("4711", ["GET 127.0.0.1/failed", "GET 127.0.0.1/failed", "GET 127.0.0.1/succeeded"])


def test_many_calls_of_one_client_at_the_same_time_do_not_mix(flowtrail, partner):
    async def deliver(client, number: int) -> None:
        async with sdk.transaction("order", f"{number}"):
            await client.get(f"{partner}/{200 + number}")

    async def main() -> None:
        async with for_httpx2.track(httpx2.AsyncClient()) as client:
            await asyncio.gather(*(deliver(client, number) for number in range(8)))

    asyncio.run(main())

    for number in range(8):
        seen = flowtrail.assert_path(f"{number}", ["GET 127.0.0.1"])
        assert seen.block("GET 127.0.0.1")["details"]["status"] == 200 + number


@CALLS
def test_a_failure_of_ours_does_not_stop_a_call(flowtrail, partner, call, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("flowtrail.sdk.integrations.calls.current_transaction", broken)
    with sdk.transaction("order", "4711"):
        assert call(f"{partner}/ok") == 200


def test_whatever_sends_is_recorded_by_either_module(flowtrail, partner):
    async def main() -> int:
        async with for_requests.track(httpx2.AsyncClient()) as client:
            return (await client.get(f"{partner}/500")).status_code

    with sdk.transaction("order", "4711"):
        assert asyncio.run(main()) == 500
        with for_httpx2.track(requests.Session()) as session:
            assert session.get(f"{partner}/ok", timeout=10).status_code == 200

    flowtrail.assert_path("4711", ["GET 127.0.0.1/failed", "GET 127.0.0.1"])


@pytest.mark.parametrize("track", [for_httpx2.track, for_requests.track])
def test_what_is_no_client_is_refused_where_it_is_set_up(track):
    with pytest.raises(TypeError, match=r"not str"):
        track("http://127.0.0.1")
