"""`flowtrail tail`: it outlives its server, and says when there is none."""

import threading

import httpx2
import pytest

from flowtrail.cli.tail import follow
from flowtrail.cli.target import Client
from flowtrail.server.run import serving
from tests.support.program import NOW
from tests.support.served import ndjson
from tests.support.server import free_port

pytestmark = pytest.mark.usefixtures("alone")


def test_tail_goes_on_after_the_server_was_started_again(tmp_path):
    port, seen = free_port(), []
    store, url = f"sqlite:{tmp_path}/s", f"http://127.0.0.1:{port}"
    arrived = threading.Condition()

    def watch() -> None:
        for kind, data in follow(Client(url, None), "type:order"):
            with arrived:
                seen.append((kind, data.get("object_id")))
                arrived.notify_all()
            if seen[-1] == ("match", "101"):
                return

    def tell(number: int) -> None:
        client = Client(url, None)
        record = {"kind": "transaction", "id": f"{number:032x}", "flow": "f", "object_type": "order"}
        client.wait_visible(
            client.records(ndjson([{**record, "object_id": str(number), "created_at": NOW}]))["token"]
        )

    def shown(number: int) -> bool:
        with arrived:
            return arrived.wait_for(lambda: ("match", str(number)) in seen, 30)

    # It ends with the test: on a lost connection it would print into whatever test comes next.
    watching = threading.Thread(target=watch, daemon=True)
    with serving(store, writing=True, port=port):
        watching.start()
        for number in range(1, 40):
            tell(number)
            with arrived:
                if arrived.wait_for(lambda: bool(seen), 0.5):
                    break
        assert seen
    with serving(store, writing=True, port=port):
        tell(100)
        assert shown(100)
        tell(101)
        watching.join(30)
        assert not watching.is_alive()
    assert len([each for each in seen if each == ("match", "100")]) == 1


class _Stream(httpx2.SyncByteStream):
    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self):
        yield from (self._data[place : place + 7] for place in range(0, len(self._data), 7))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_name_with_a_line_end_of_unicode_ends_no_line(end):
    names = ["a\u2028b", "a\u2029b", "a\x85b", "plain"]
    events = ["event: match", "id: 7"]
    lines = [each for name in names for each in (*events, f'data: {{"object_id": "{name}"}}', "")]
    body = "".join(f"{line}{end}" for line in lines).encode()
    headers = {"Content-Type": "text/event-stream"}
    client = Client("http://127.0.0.1:1", None)
    client.http = httpx2.Client(
        base_url=client.url,
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, stream=_Stream(body))),
    )

    seen = [data["object_id"] for _, (_, data) in zip(names, follow(client, ""), strict=False)]
    assert seen == names


def test_tail_says_when_nobody_answers(flowtrail):
    answered = flowtrail("tail", "--url", "http://127.0.0.1:1")

    assert answered.code == 1
    assert "does not answer" in answered.err


@pytest.mark.parametrize("command", ["list", "tail", "export"])
def test_a_query_longer_than_an_address_may_be_is_told_in_words(flowtrail, command):
    answered = flowtrail(command, "x" * 70_000, "--url", "http://127.0.0.1:1")

    assert (answered.code, answered.out) == (1, "")
    assert "does not answer" in answered.err
    assert "nobody foresaw" not in answered.err
