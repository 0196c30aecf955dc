"""Spans at the installed server, in processes of its own: settings from the environment, workers, and a sudden end."""

import httpx2

from flowtrail.intake.foreign.otlp import PROTOBUF
from tests.support.foreign import NOW
from tests.support.otlp import encode, request, root, span
from tests.support.server import running


def traces(number):
    """A request with ten traces of two spans, each about an order."""
    told = []
    for each in range(number * 10, number * 10 + 10):
        trace = f"{each + 1:032x}"
        told += [
            span(
                {"app.order": str(each)},
                traceId=trace,
                spanId=f"{each + 1:015x}2",
                parentSpanId=f"{each + 1:015x}1",
            ),
            root(traceId=trace, spanId=f"{each + 1:015x}1"),
        ]
    return encode(request(*told), PROTOBUF)


def test_what_was_acknowledged_outlives_the_processes(tmp_path):
    options = {"FLOWTRAIL_OTLP_OBJECTS": "order=app.order"}
    store = f"sqlite:{tmp_path}/data"
    with running(store, tmp_path / "log", "--intake-workers", "1", **options) as server:
        for number in range(20):
            answer = httpx2.post(
                f"{server.url}/v1/traces",
                content=traces(number),
                headers={"Content-Type": PROTOBUF},
                timeout=30,
            )
            assert (answer.status_code, answer.content) == (200, b"")
        assert server.kill() == 3, "the server, its worker and its projector"
        server.start()

        listed = server.get(
            "/v1/transactions", after=NOW, q="type:order status:delivered", page_size=1_000
        ).json()
        assert listed["total"] == 200
        found = server.get(f"/v1/transactions/{listed['transactions'][0]['id']}").json()
        assert len(found["blocks"]) == 2
