"""The database goes away under a running server, and comes back: nobody waits in vain, and all goes on by itself."""

from urllib.parse import urlsplit

import pytest

from tests.support.faults import until
from tests.support.proxy import door_to
from tests.support.served import problem, served, transaction, transaction_id

pytestmark = pytest.mark.mongodb


def test_while_mongodb_is_gone_everything_says_so_and_afterwards_goes_on(mongodb_url, monkeypatch):
    # How long a batch whose fate is unknown is kept waiting; producers give up at 10 s.
    monkeypatch.setattr("flowtrail.intake.committer.ANSWER_S", 1.0)
    parts = urlsplit(mongodb_url)
    with door_to(parts.hostname, parts.port) as door:
        options = "directConnection=true&serverSelectionTimeoutMS=300&connectTimeoutMS=300"
        url = f"mongodb://127.0.0.1:{door.port}{parts.path}?{options}"
        with served(url) as server:
            assert server.post(transaction(1)).json()["durable"] == "majority"
            server.seen(transaction(1))

            door.shut()

            for answer in (
                server.get("/v1/transactions"),
                server.get(f"/v1/transactions/{transaction_id(1)}"),
            ):
                problem(answer, 503, "store_unavailable")
                assert int(answer.headers["retry-after"]) >= 1
            taken = server.post(transaction(2))
            problem(taken, 503, "store_unavailable")
            assert int(taken.headers["retry-after"]) >= 1
            problem(server.get("/readyz"), 503, "not_ready")
            assert server.get("/healthz").status_code == 200
            assert b"flowtrail_store_up 0.0" in server.get("/metrics").content
            assert server.get("/").status_code == 503

            door.open()

            until(lambda: server.post(transaction(3)).status_code == 200, 10)
            until(lambda: server.get("/readyz").status_code == 200, 10)
            server.seen(transaction(4))
            found = server.get("/v1/transactions", q="4713").json()["transactions"]
            assert [item["id"] for item in found] == [transaction_id(3)]
