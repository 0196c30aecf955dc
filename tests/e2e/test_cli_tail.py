"""`flowtrail tail`: it outlives its server, and says when there is none."""

import threading

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


def test_tail_says_when_nobody_answers(flowtrail):
    answered = flowtrail("tail", "--url", "http://127.0.0.1:1")

    assert answered.code == 1
    assert "does not answer" in answered.err
