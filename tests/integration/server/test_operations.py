"""What operators ask: alive, ready, how it is doing, and what it can do."""

import re
from threading import Event

import httpx2
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from flowtrail.server import answers
from flowtrail.server.app import build_app
from flowtrail.server.parameters import LIST
from flowtrail.server.problems import MEDIA_TYPE
from tests.support.faults import until
from tests.support.served import NDJSON, problem, served, transaction, transaction_id


def metrics_of(server):
    """(name, labels) -> value."""
    answer = server.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_server_that_works_is_alive_and_ready(server):
    assert server.get("/healthz").json()["alive"] is True
    assert server.get("/readyz").json() == {"ready": True}


def test_a_server_whose_projector_is_down_is_alive_but_not_ready(server):
    server.services.projector.stop(2)

    told = problem(server.get("/readyz"), 503, "not_ready")

    assert any("projector" in reason for reason in told["reasons"])
    assert server.get("/readyz").headers["retry-after"] == "1"
    assert server.get("/healthz").status_code == 200


def test_a_server_whose_store_cannot_be_read_is_not_ready(server):
    from flowtrail.model.errors import StoreUnavailable

    def fail():
        raise StoreUnavailable("nobody answers")

    server.store.changes.revision = fail

    told = problem(server.get("/readyz"), 503, "not_ready")
    assert "nobody answers" in told["reasons"][0]
    assert server.get("/healthz").status_code == 200
    assert metrics_of(server)["flowtrail_reads",] >= 0, "metrics are wanted most when the store is gone"


def test_a_store_that_hangs_is_told_as_such(server, monkeypatch):
    monkeypatch.setattr("flowtrail.server.routes.operations.READY_S", 0.05)
    free = Event()
    server.store.changes.revision = lambda: free.wait(30)

    told = problem(server.get("/readyz"), 503, "not_ready")
    free.set()

    assert told["reasons"] == ["the store cannot be read: it did not answer within 0.05 s"]


def test_a_server_that_stops_is_not_ready(server):
    server.services.stopping = True

    assert "stopping" in problem(server.get("/readyz"), 503, "not_ready")["detail"]


def test_a_server_that_only_reads_is_ready(tmp_path):
    with served(writing=False, projecting=False) as server:
        assert server.get("/readyz").status_code == 200


def test_requests_are_counted_by_route_and_status(server):
    for path in (
        "/v1/flows",
        "/v1/flows",
        f"/v1/transactions/{transaction_id()}",
        "/nope",
        "/nope/2",
        "/v1/flows?x=1",
    ):
        server.client.get(path)

    counted = metrics_of(server)

    def requests(route, status, method="GET"):
        return counted["flowtrail_requests_total", ("method", method), ("route", route), ("status", status)]

    assert requests("/v1/flows", "200") == 2
    assert requests("/v1/flows", "400") == 1
    assert requests("/v1/transactions/{id}", "404") == 1
    assert requests("other", "404", "other") == 2, "names that clients make up are no labels"
    assert counted["flowtrail_request_seconds_count", ("route", "/v1/flows")] == 3
    assert counted["flowtrail_refusals_total", ("code", "not_found")] == 1
    assert counted["flowtrail_refusals_total", ("code", "no_such_route")] == 2
    assert counted["flowtrail_refusals_total", ("code", "unknown_parameter")] == 1


def test_intake_is_counted_record_by_record(server):
    server.post(transaction(1), transaction(2), {"kind": "nonsense"})
    server.client.post("/v1/records", content=b"", headers=NDJSON)

    counted = metrics_of(server)

    assert counted["flowtrail_records_accepted_total",] == 2
    rejected = {key: value for key, value in counted.items() if key[0] == "flowtrail_records_rejected_total"}
    assert sum(rejected.values()) == 1
    assert counted["flowtrail_refusals_total", ("code", "empty_body")] == 1
    assert counted["flowtrail_pages_total",] == 1
    assert counted["flowtrail_page_records_sum",] == 2
    assert counted["flowtrail_page_records_bucket", ("le", "+Inf")] == 1
    assert counted["flowtrail_page_bytes_sum",] > 0
    assert counted["flowtrail_commit_seconds_count",] == 1
    assert counted["flowtrail_intake_bytes_total",] > 100
    assert counted["flowtrail_commit_queue_records",] == 0
    assert counted["flowtrail_body_bytes",] == 0


def test_the_lag_is_told_in_pages_records_and_seconds():
    with served(projecting=False) as server:
        assert metrics_of(server)["flowtrail_lag_records",] == 0
        for number in range(1, 31):
            server.written(transaction(number), transaction(number + 100))

        lagging = metrics_of(server)

        assert (lagging["flowtrail_lag_pages",], lagging["flowtrail_lag_records",]) == (30, 60)
        assert lagging["flowtrail_lag_seconds",] > 0


def test_the_lag_goes_to_zero_when_the_views_follow(server):
    server.seen(transaction())

    until(lambda: metrics_of(server)["flowtrail_lag_records",] == 0)
    assert metrics_of(server)["flowtrail_projector_up",] == 1


def test_two_servers_in_one_process_count_apart(server):
    with served() as other:
        other.get("/v1/flows")

        assert not any("/v1/flows" in str(key) for key in metrics_of(server))


def test_every_route_is_described_and_everything_described_is_there(server):
    described = server.get("/openapi.json").json()

    routes = {
        (method, re.sub(r":path", "", route.path))
        for route in build_app(server.services).routes
        if hasattr(route, "methods")
        for method in route.methods - {"HEAD"}
    }
    assert routes == {
        (method.upper(), path) for path, methods in described["paths"].items() for method in methods
    }
    for _, path in routes:
        filled = path.replace("{id}", transaction_id()).replace("{flow}", "x")
        if path != "/v1/live":
            assert server.client.options(filled).status_code == 405


def test_parameters_are_described_as_they_are_read(server):
    described = server.get("/openapi.json").json()["paths"]["/v1/transactions"]["get"]["parameters"]

    assert [each["name"] for each in described if each["in"] == "query"] == [each.name for each in LIST]
    assert next(each for each in described if each["name"] == "page_size")["schema"]["maximum"] == 1000
    assert "Flowtrail-After" in {each["name"] for each in described if each["in"] == "header"}


def test_every_reference_in_the_description_leads_somewhere(server):
    text = server.get("/openapi.json").text
    described = msgspec.json.decode(text)

    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))

    assert names <= set(described["components"]["schemas"])
    assert {"Transaction", "ListItem", "Receipt", "Problem", "Statistics"} <= names
    for path, methods in described["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            # What speaks OTLP is refused in its encodings.
            refused = "application/x-protobuf" if path == "/v1/traces" else MEDIA_TYPE
            assert refused in operation["responses"]["400"]["content"]
    operations = [each["operationId"] for path in described["paths"].values() for each in path.values()]
    assert len(set(operations)) == len(operations)


def test_a_receipt_and_a_problem_look_as_described(server):
    msgspec.json.decode(server.post(transaction(), {"kind": "x"}).content, type=answers.Receipt)
    msgspec.json.decode(server.get("/v1/flows", x="1").content, type=answers.Problem)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
def test_operations_take_no_parameters(server, path):
    problem(server.get(path, x="1"), 400, "unknown_parameter")


def test_the_port_serves_again_at_once_after_a_stop():
    with served() as first:
        port = int(first.url.rpartition(":")[2])
        first.get("/healthz")
    from flowtrail.server.run import serving

    with serving("memory:", writing=True, port=port) as url:
        assert httpx2.get(url + "/healthz").status_code == 200
