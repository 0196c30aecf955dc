"""Events sent by OpenLineage's own client for Python over its HTTP transport, read back over HTTP."""

import json
import uuid

import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    DatasetEvent,
    InputDataset,
    Job,
    JobEvent,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    StaticDataset,
)
from openlineage.client.facet_v2 import (
    error_message_run,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
    sql_job,
)
from openlineage.client.serde import Serde
from openlineage.client.transport.http import HttpConfig, HttpTransport

from tests.support.foreign import everything, items, lineage, whole
from tests.support.served import problem

NAMESPACE = "postgres://db.example.com:5432"
PARENT, CHILD, FAILED = (
    str(uuid.UUID(int=number)) for number in (0x0196_7000_8000, 0x0196_7000_8001, 0x0196_7000_8002)
)
PRODUCER = "https://example.com/etl"


def client_of(server, **more):
    config = HttpConfig.from_dict({"type": "http", "url": server.url, "retry": {"total": 0}, **more})
    return OpenLineageClient(transport=HttpTransport(config))


def run_event(state, second, run, job, inputs=(), outputs=(), **facets):
    return RunEvent(
        eventType=state,
        eventTime=f"2026-11-23T10:00:{second:02d}.5+00:00",
        run=Run(run, {name: facet for name, facet in facets.items() if name != "sql"}),
        job=Job("etl", job, {"sql": facets["sql"]} if "sql" in facets else {}),
        inputs=list(inputs),
        outputs=list(outputs),
        producer=PRODUCER,
    )


SCHEMA = schema_dataset.SchemaDatasetFacet(
    fields=[schema_dataset.SchemaDatasetFacetFields("id", "INTEGER", "the key")]
)
STATISTICS = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=42, size=4096)
ORDERS = InputDataset(NAMESPACE, "shop.public.orders", facets={"schema": SCHEMA})
DAILY = OutputDataset(
    NAMESPACE, "shop.public.daily", facets={"schema": SCHEMA}, outputFacets={"outputStatistics": STATISTICS}
)
SPAWNED = parent_run.ParentRunFacet(run=parent_run.Run(PARENT), job=parent_run.Job("etl", "nightly"))
NOMINAL = nominal_time_run.NominalTimeRunFacet("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z")
ERROR = error_message_run.ErrorMessageRunFacet(
    "ValueError: no such column", "python", "Traceback …\nValueError: no such column"
)
SQL = sql_job.SQLJobFacet(query="INSERT INTO daily SELECT id FROM orders")

EVENTS = [
    run_event(RunState.START, 0, PARENT, "nightly", nominalTime=NOMINAL),
    run_event(RunState.START, 1, CHILD, "nightly.daily", [ORDERS], [DAILY], parent=SPAWNED, sql=SQL),
    run_event(RunState.RUNNING, 2, CHILD, "nightly.daily"),
    run_event(RunState.COMPLETE, 4, CHILD, "nightly.daily", [ORDERS], [DAILY], parent=SPAWNED, sql=SQL),
    run_event(RunState.START, 5, FAILED, "nightly.report", [ORDERS], parent=SPAWNED),
    run_event(RunState.FAIL, 6, FAILED, "nightly.report", parent=SPAWNED, errorMessage=ERROR),
    run_event(RunState.ABORT, 7, PARENT, "nightly"),
]


def as_sent(facet):
    return Serde.to_dict(facet)


@pytest.mark.parametrize("more", [{}, {"compression": "gzip"}], ids=["plain", "gzip"])
def test_what_the_client_tells_is_read_back_and_changes_nothing_when_it_is_told_twice(server, more):
    client = client_of(server, **more)
    for event in EVENTS:
        client.emit(event)

    check_runs(server)
    check_datasets(server)
    before = everything(server)
    for event in EVENTS:
        client.emit(event)
    assert everything(server) == before


def check_runs(server):
    child = whole(server, CHILD)
    assert child["id"] == CHILD.replace("-", "")
    assert (child["flow"], child["object_type"], child["object_id"]) == ("etl/nightly.daily", "run", CHILD)
    assert (child["status"], child["duration_s"]) == ("delivered", 3.0)
    assert child["created_at"] == "2026-11-23T10:00:01.500000Z"
    assert child["attributes"]["producer"] == PRODUCER
    assert child["attributes"]["job.sql"] == as_sent(SQL)
    (block,) = child["blocks"]
    assert (block["block"], block["status"], block["work_s"]) == ("nightly.daily", "succeeded", 3.0)
    assert block["details"]["parent"] == as_sent(SPAWNED)

    failed = whole(server, FAILED)
    assert (failed["status"], failed["reason"]) == ("failed", ERROR.message)
    (exception,) = failed["blocks"][0]["exceptions"]
    assert (exception["type"], exception["message"]) == ("ValueError", ERROR.message)
    assert exception["stacktrace"] == ERROR.stackTrace

    parent = whole(server, PARENT)
    assert (parent["status"], parent["blocks"][0]["status"]) == ("cancelled", "failed")
    assert parent["blocks"][0]["details"]["nominalTime"] == as_sent(NOMINAL)
    children = lineage(server, parent["id"])["children"]
    assert {(each["relation"], each["transaction"]["object_id"]) for each in children} == {
        ("split", CHILD),
        ("split", FAILED),
    }


def check_datasets(server):
    daily, orders = (whole(server, f'type:dataset "{dataset.name}"') for dataset in (DAILY, ORDERS))
    assert (daily["flow"], daily["object_id"], daily["status"]) == (NAMESPACE, DAILY.name, "delivered")
    assert daily["attributes"] == {"schema": as_sent(SCHEMA)}
    (write,) = daily["blocks"]
    assert (write["block"], write["stage"], write["status"]) == ("write", "ingress", "succeeded")
    assert write["usage"] == {"rows_out": 42, "bytes_out": 4096}
    assert write["details"]["outputStatistics"] == as_sent(STATISTICS)
    assert write["details"]["run"] == CHILD
    assert [(each["block"], each["status"]) for each in orders["blocks"]] == [("read", "succeeded")]
    ancestors = {each["parent"] for each in lineage(server, daily["id"])["ancestors"]}
    assert {orders["id"], CHILD.replace("-", "")} <= ancestors


def test_events_of_jobs_and_datasets_are_taken_too(server):
    client = client_of(server)
    client.emit(
        JobEvent(
            eventTime="2026-11-23T10:00:00Z",
            job=Job("etl", "nightly.daily", {"sql": SQL}),
            inputs=[ORDERS],
            outputs=[DAILY],
            producer=PRODUCER,
        )
    )
    client.emit(
        DatasetEvent(
            eventTime="2026-11-23T10:00:01Z",
            dataset=StaticDataset(NAMESPACE, "shop.public.other", facets={"schema": SCHEMA}),
            producer=PRODUCER,
        )
    )

    job = whole(server, "type:job")
    told = lineage(server, job["id"])
    assert job["attributes"]["sql"] == as_sent(SQL)
    assert [each["transaction"]["object_id"] for each in told["parents"]] == [ORDERS.name]
    assert [each["transaction"]["object_id"] for each in told["children"]] == [DAILY.name]
    assert whole(server, '"shop.public.other"')["attributes"]["schema"] == as_sent(SCHEMA)


def test_a_batch_is_taken_where_the_standard_has_it(server):
    sent = [Serde.to_dict(event) for event in EVENTS]

    answer = server.client.post("/api/v1/lineage/batch", json=[*sent[:2], {"eventType": "START"}, *sent[2:]])

    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == len(EVENTS)
    assert [(each["index"], each["code"]) for each in answer.json()["rejected"]] == [(2, "missing_field")]
    check_runs(server)


def test_the_order_of_events_does_not_matter(server):
    sent = [Serde.to_dict(event) for event in reversed(EVENTS)]

    server.client.post("/api/v1/lineage", json=sent)

    check_runs(server)
    check_datasets(server)


def test_what_is_no_event_is_refused_as_a_problem(server):
    told = problem(server.client.post("/api/v1/lineage", json={"eventTime": "now"}), 400, "nothing_accepted")
    assert json.dumps(told["rejected"])
    problem(server.client.post("/api/v1/lineage", json=[]), 400, "empty_body")
    assert items(server) == []
