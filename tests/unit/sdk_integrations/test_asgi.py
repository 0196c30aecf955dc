"""Requests of ASGI applications, through a client that speaks to them as a server does."""

import asyncio

import httpx2
import pytest
from fastapi import FastAPI, Response

import flowtrail as sdk
from flowtrail.model.errors import Refusal
from flowtrail.sdk.integrations.asgi import FlowtrailMiddleware

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def shop() -> FastAPI:
    app = FastAPI()

    @app.get("/orders/{order}")
    async def read_order(order: str) -> dict[str, str]:
        sdk.current_transaction().key(order=order)
        with sdk.block("look up"):
            await asyncio.sleep(0)
        return {"order": order}

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError("sku")

    @app.get("/unwell")
    async def unwell() -> Response:
        return Response(status_code=503)

    return app


def ask(app, path: str, **options) -> httpx2.Response:
    async def main() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://shop") as client:
            return await client.get(path, **options)

    return asyncio.run(main())


def test_a_request_is_a_transaction_with_a_block_named_by_its_route(flowtrail):
    answer = ask(FlowtrailMiddleware(shop()), "/orders/4711?token=secret")

    assert answer.json() == {"order": "4711"}
    seen = flowtrail.assert_path("4711", ["GET /orders/{order}", "look up"])
    flowtrail.assert_delivered("4711")
    assert (seen.object_type, seen.object_id) == ("request", seen.id)
    block = seen.block("GET /orders/{order}")
    assert block["details"] == {"method": "GET", "path": "/orders/4711", "status": 200}
    assert block["stage"] == "ingress"
    assert seen.block("look up")["parent"] == block["id"]


def test_as_middleware_of_the_framework_it_does_the_same(flowtrail):
    app = shop()
    app.add_middleware(FlowtrailMiddleware, flow="shop")

    ask(app, "/orders/4711", headers={"x-request-id": "r-1"})

    seen = flowtrail.assert_path("r-1", ["GET /orders/{order}", "look up"])
    assert seen.flow == "shop"


def test_a_request_goes_on_with_the_transaction_its_headers_name(flowtrail):
    with sdk.transaction("order", "4711") as order, order.block("call"):
        headers = order.inject()
    ask(FlowtrailMiddleware(shop()), "/orders/A-1", headers=headers)

    assert len(flowtrail.transactions) == 1
    seen = flowtrail.assert_path("4711", ["call", "GET /orders/{order}", "look up"])
    assert seen.block("GET /orders/{order}")["parent"] == seen.block("call")["id"]
    assert seen.keys == {"order": "A-1"}


def test_after_a_handover_the_request_ends_the_transaction(flowtrail):
    with sdk.transaction("order", "4711") as order:
        headers = order.inject(handover=True)
    assert flowtrail.find("4711").status == "in_transit"

    ask(FlowtrailMiddleware(shop()), "/orders/A-1", headers=headers)

    flowtrail.assert_delivered("4711")


def test_without_a_handover_a_request_that_fails_does_not_decide_for_the_caller(flowtrail):
    with sdk.transaction("order", "4711") as order, order.block("call"):
        ask(FlowtrailMiddleware(shop()), "/unwell", headers=order.inject())

    flowtrail.assert_delivered("4711")
    flowtrail.assert_path("4711", ["call", "GET /unwell/failed"])


def test_a_trace_of_others_is_kept_as_a_fact(flowtrail):
    ask(FlowtrailMiddleware(shop()), "/orders/4711", headers={"traceparent": TRACEPARENT})

    assert flowtrail.find("4711").found["trace"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("header", ["", "x", "00-0-0-0", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "é" * 9])
def test_headers_that_say_nothing_make_a_transaction_of_its_own(flowtrail, header):
    ask(FlowtrailMiddleware(shop()), "/orders/4711", headers={"traceparent": header.encode("latin-1")})

    flowtrail.assert_delivered("4711")


def test_an_exception_goes_on_up_and_fails_the_transaction(flowtrail):
    with pytest.raises(KeyError):
        asyncio.run(FlowtrailMiddleware(shop())(request("/broken"), nothing, nowhere))

    (seen,) = flowtrail.transactions
    flowtrail.assert_failed(seen.id, KeyError, block="GET /broken", match="sku")


def test_an_answer_that_says_the_server_failed_is_a_failure(flowtrail):
    assert ask(FlowtrailMiddleware(shop()), "/unwell").status_code == 503

    (seen,) = flowtrail.transactions
    flowtrail.assert_failed(seen.id, block="GET /unwell", match="answered 503")


def test_an_answer_that_says_the_caller_was_wrong_is_none(flowtrail):
    assert ask(FlowtrailMiddleware(shop()), "/nowhere").status_code == 404

    (seen,) = flowtrail.transactions
    flowtrail.assert_path(seen.id, ["GET/succeeded"])
    assert seen.block("GET")["details"]["status"] == 404


def test_the_application_says_what_a_request_is_about(flowtrail):
    def identify(scope):
        if scope["path"].startswith("/orders/"):
            return "order", scope["path"].rpartition("/")[2], {"channel": "web"}
        return None

    app = FlowtrailMiddleware(shop(), identify=identify, name=lambda _: "read order")
    ask(app, "/orders/4711")
    ask(app, "/unwell")

    (seen,) = flowtrail.transactions
    assert (seen.object_type, seen.object_id) == ("order", "4711")
    assert seen.keys == {"channel": "web", "order": "4711"}
    flowtrail.assert_path("4711", ["read order", "look up"])


def test_what_is_wrong_in_the_applications_own_words_does_not_stop_the_request(flowtrail):
    def wrong(scope):
        raise RuntimeError("no idea")

    assert ask(FlowtrailMiddleware(shop(), identify=wrong), "/orders/1").status_code == 500  # no transaction
    assert ask(FlowtrailMiddleware(shop(), identify=lambda _: 7), "/unwell").status_code == 503
    assert flowtrail.transactions == []

    assert ask(FlowtrailMiddleware(shop(), name=wrong), "/orders/1").status_code == 200
    flowtrail.assert_path("1", ["GET", "look up"])
    assert flowtrail.get("1").block("GET")["details"]["status"] == 200

    flowtrail.clear()
    assert ask(FlowtrailMiddleware(shop(), name=wrong), "/unwell").status_code == 503
    (seen,) = flowtrail.transactions
    assert (seen.status, seen.path) == ("failed", ["GET"])


def test_a_framework_that_tells_no_route_is_named_by_its_endpoint(flowtrail):
    def orders() -> None: ...

    async def app(scope, receive, send) -> None:
        scope["endpoint"] = orders

    asyncio.run(FlowtrailMiddleware(app)(request("/orders/4711"), nothing, nowhere))

    (seen,) = flowtrail.transactions
    flowtrail.assert_path(seen.id, ["GET orders"])


def test_requests_at_the_same_time_do_not_mix(flowtrail):
    app = FlowtrailMiddleware(shop())

    async def main() -> None:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://shop") as client:
            await asyncio.gather(*(client.get(f"/orders/{number}") for number in range(20)))

    asyncio.run(main())

    for number in range(20):
        flowtrail.assert_path(str(number), ["GET /orders/{order}", "look up"])


def test_what_is_no_request_passes_through(flowtrail):
    seen = []

    async def app(scope, receive, send) -> None:
        seen.append((scope, receive, send))

    scope = {"type": "websocket"}
    asyncio.run(FlowtrailMiddleware(app)(scope, nothing, nowhere))

    assert seen == [(scope, nothing, nowhere)]
    assert flowtrail.transactions == []


@pytest.mark.parametrize(
    "scope",
    [
        {"type": "http"},
        {"type": "http", "headers": None},
        {"type": "http", "headers": [b"traceparent", (b"traceparent",)]},
        {"type": "http", "headers": [(b"traceparent", 7)], "method": 7, "path": object(), "route": object()},
        {"type": "http", "headers": [("x-request-id", None), (b"x-request-id", 7)], "method": "GET"},
        {"type": "http", "headers": [(b"x-request-id", bytes(range(256)) * 99)], "method": "G" * 999},
    ],
)
def test_a_connection_that_keeps_no_rule_reaches_the_application(flowtrail, scope):
    seen = []

    async def app(scope, receive, send) -> None:
        seen.append(scope)
        await send({"type": "http.response.start"})

    asyncio.run(FlowtrailMiddleware(app)(scope, nothing, nowhere))

    assert seen == [scope]
    flowtrail.assert_nothing_refused()


def test_what_was_recorded_is_delivered_before_the_application_has_ended(flowtrail, monkeypatch):
    happened = []

    async def app(scope, receive, send) -> None:
        for word in ("startup", "shutdown"):
            await send({"type": f"lifespan.{word}.complete"})

    async def send(message) -> None:
        happened.append(message["type"])

    monkeypatch.setattr(flowtrail, "flush", lambda timeout_s: happened.append(f"flush {timeout_s}"))
    asyncio.run(FlowtrailMiddleware(app)({"type": "lifespan"}, nothing, send))

    assert happened == ["lifespan.startup.complete", "flush 1.0", "lifespan.shutdown.complete"]


def test_a_client_that_goes_away_cancels_the_transaction(flowtrail):
    async def app(scope, receive, send) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(FlowtrailMiddleware(app)(request("/slow"), nothing, nowhere))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())

    (seen,) = flowtrail.transactions
    flowtrail.assert_cancelled(seen.id)


def request(path: str) -> dict:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }


async def nothing() -> dict:
    return {"type": "http.request", "body": b"", "more_body": False}


async def nowhere(message: dict) -> None:
    pass


@pytest.mark.parametrize("wrong", [{"identify": "x"}, {"name": 7}])
def test_what_is_no_function_is_refused_where_it_is_set_up(wrong):
    with pytest.raises(Refusal) as refused:
        FlowtrailMiddleware(shop(), **wrong)

    assert refused.value.field in wrong
