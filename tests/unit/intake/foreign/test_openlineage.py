"""OpenLineage events as records: the standard's own examples, and what each type of event says."""

import gzip
import json
from pathlib import Path

import pytest

from flowtrail.intake.foreign.openlineage import read_openlineage
from flowtrail.model.errors import Refusal
from flowtrail.model.ids import derived_transaction_id
from flowtrail.model.instants import format_instant
from flowtrail.model.records import BlockRecord, EndRecord, LinkRecord, TransactionRecord

GOLDEN = Path(__file__).parent / "golden" / "openlineage.json"
START, COMPLETE = json.loads(GOLDEN.read_text(encoding="utf-8"))["events"]
RUN = bytes.fromhex(START["run"]["runId"].replace("-", ""))
FLOW = "my-scheduler-namespace/myjob.mytask"
NOW = 1_795_000_000_000_000


def read(event, content_type="application/json", coding=None, tenant="default"):
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    return read_openlineage(tenant, raw, content_type, coding, NOW)


def event(type_="START", facets=None, **more):
    return {
        "eventType": type_,
        "eventTime": "2026-11-23T10:00:00Z",
        "run": {"runId": START["run"]["runId"], "facets": facets or {}},
        "job": {"namespace": "n", "name": "j"},
        "producer": "https://example.com/p",
    } | more


def of(records, kind, transaction=RUN):
    return [
        record
        for record in records
        if isinstance(record, kind)
        and getattr(record, "transaction", getattr(record, "id", None)) == transaction
    ]


def only(records, kind, transaction=RUN):
    (found,) = of(records, kind, transaction)
    return found


def dataset(name, namespace="my-datasource-namespace"):
    return derived_transaction_id("default", "openlineage", "", namespace, "dataset", name)


def refusal(sent, **given):
    decoded = read(sent, **given)
    assert decoded.encoded == []
    (rejected,) = decoded.rejected
    return rejected.code, rejected.field


def test_the_example_of_the_standard_starts_a_run_with_everything_it_says():
    decoded = read(START)

    assert (decoded.accepted, decoded.rejected) == (1, [])
    opened, block = only(decoded.records, TransactionRecord), only(decoded.records, BlockRecord)
    assert (opened.flow, opened.object_type, opened.object_id) == (FLOW, "run", START["run"]["runId"])
    assert format_instant(opened.created_at) == "2020-12-09T23:37:31.081000Z"
    assert opened.attributes == {"producer": START["producer"], "schemaURL": START["schemaURL"]}
    assert (block.block, block.status, block.started_at) == ("myjob.mytask", "running", opened.created_at)
    assert block.details == START["run"]["facets"]
    assert of(decoded.records, EndRecord) == []


def test_a_run_is_split_from_its_parent_and_lies_between_its_datasets():
    links = [record for record in read(START).records if isinstance(record, LinkRecord)]

    parent = bytes.fromhex(START["run"]["facets"]["parent"]["run"]["runId"].replace("-", ""))
    assert {(link.parent, link.child, link.relation) for link in links} == {
        (parent, RUN, "split"),
        (dataset("instance.schema.table"), RUN, "derive"),
        (RUN, dataset("instance.schema.output_table"), "derive"),
    }


def test_a_parent_that_is_null_is_none():
    decoded = read(event(facets={"parent": None}))

    assert (decoded.accepted, decoded.rejected) == (1, [])
    assert of(decoded.records, LinkRecord) == []


def test_a_dataset_is_an_object_at_rest_with_its_facets_and_who_wrote_it():
    records = read(COMPLETE).records
    key = dataset("instance.schema.output_table")

    opened, block, end = (only(records, kind, key) for kind in (TransactionRecord, BlockRecord, EndRecord))

    (sent,) = COMPLETE["outputs"]
    assert (opened.flow, opened.object_type, opened.object_id) == (sent["namespace"], "dataset", sent["name"])
    assert opened.attributes == sent["facets"]
    assert (block.block, block.stage, block.status) == ("write", "ingress", "succeeded")
    assert block.usage == {"rows_out": 2000, "bytes_out": 2097152}
    assert block.details == {"run": COMPLETE["run"]["runId"], "job": FLOW, **sent["outputFacets"]}
    assert end.outcome == "delivered"


def test_the_end_of_the_example_delivers_the_run_and_meets_its_start():
    started, ended = (only(read(each).records, BlockRecord) for each in (START, COMPLETE))

    assert started.id == ended.id
    assert (ended.status, ended.started_at, format_instant(ended.ended_at)) == (
        "succeeded",
        None,
        "2020-12-09T23:47:31.081000Z",
    )
    assert only(read(COMPLETE).records, EndRecord).outcome == "delivered"


@pytest.mark.parametrize(
    ("type_", "status", "outcome"),
    [
        ("START", "running", None),
        ("RUNNING", "running", None),
        ("COMPLETE", "succeeded", "delivered"),
        ("FAIL", "failed", "failed"),
        ("ABORT", "failed", "cancelled"),
        ("OTHER", None, None),
        (None, None, None),
    ],
)
def test_every_type_of_event_says_something_of_its_own(type_, status, outcome):
    records = read(event(type_)).records

    assert only(records, BlockRecord).status == status
    assert [end.outcome for end in of(records, EndRecord)] == ([outcome] if outcome else [])


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            "org.apache.spark.sql.AnalysisException: Table or view not found",
            "org.apache.spark.sql.AnalysisException",
        ),
        ("ValueError: no", "ValueError"),
        ("it went wrong: badly", "Error"),
        ("it went wrong", "Error"),
        (": x", "Error"),
    ],
)
def test_the_error_message_of_a_failed_run_is_its_exception(message, kind):
    facet = {"message": message, "programmingLanguage": "JAVA", "stackTrace": "at a.B(C.java:1)"}

    records = read(event("FAIL", {"errorMessage": facet})).records

    (exception,) = only(records, BlockRecord).exceptions
    assert (exception.kind, exception.message, exception.stacktrace) == (kind, message, "at a.B(C.java:1)")
    assert only(records, EndRecord).reason == message
    assert only(records, BlockRecord).details == {"errorMessage": facet}


def test_a_run_that_was_stopped_says_so_where_it_says_no_error():
    (exception,) = only(read(event("ABORT")).records, BlockRecord).exceptions

    assert exception.kind == "Aborted"
    assert only(read(event("FAIL")).records, BlockRecord).exceptions is None


def test_what_a_failed_run_read_is_not_known_and_what_it_wrote_failed():
    sets = {"inputs": [{"namespace": "n", "name": "in"}], "outputs": [{"namespace": "n", "name": "out"}]}

    records = read(event("FAIL", **sets)).records

    assert of(records, BlockRecord, dataset("in", "n")) == []
    assert only(records, BlockRecord, dataset("out", "n")).status == "failed"


def test_what_is_said_of_a_dataset_before_the_run_is_over_stays_a_detail():
    listed = [
        {"namespace": "n", "name": "in", "inputFacets": {"x_rows": {"rows": 1}}},
        {"namespace": "n", "name": "b"},
    ]

    records = read(event("RUNNING", inputs=listed)).records

    block = only(records, BlockRecord, dataset("in", "n"))
    assert (block.block, block.status, block.details["x_rows"]) == ("read", None, {"rows": 1})
    assert of(records, BlockRecord, dataset("b", "n")) == []


def test_facets_of_jobs_and_fields_nobody_knows_are_attributes():
    job = {"namespace": "n", "name": "j", "facets": {"sql": {"query": "SELECT 1"}}}

    opened = only(read(event(job=job, transition="START")).records, TransactionRecord)

    assert opened.attributes == {
        "producer": "https://example.com/p",
        "transition": "START",
        "job.sql": {"query": "SELECT 1"},
    }
    assert opened.keys == {"job": "j"}


def test_an_event_of_a_dataset_tells_of_it_alone():
    sent = {
        "eventTime": "2026-11-23T10:00:00Z",
        "dataset": {"namespace": "n", "name": "d", "facets": {"schema": {"fields": []}}},
        "producer": "p",
    }

    records = read(sent).records

    assert only(records, TransactionRecord, dataset("d", "n")).attributes == {
        "producer": "p",
        "schema": {"fields": []},
    }
    assert only(records, EndRecord, dataset("d", "n")).outcome == "delivered"
    assert len(records) == 2


def test_an_event_of_a_job_tells_what_lies_between_which_datasets():
    sent = {
        "eventTime": "2026-11-23T10:00:00Z",
        "job": {"namespace": "n", "name": "j", "facets": {"sql": {"query": "SELECT 1"}}},
        "inputs": [{"namespace": "n", "name": "in", "inputFacets": {"x": {"y": 1}}}],
        "outputs": [{"namespace": "n", "name": "out"}],
        "producer": "p",
    }
    key = derived_transaction_id("default", "openlineage", "", "n/j", "job", "j")

    records = read(sent).records

    assert only(records, TransactionRecord, key).attributes == {"producer": "p", "sql": {"query": "SELECT 1"}}
    assert only(records, TransactionRecord, dataset("in", "n")).attributes == {"inputFacets.x": {"y": 1}}
    links = {(each.parent, each.child) for each in records if isinstance(each, LinkRecord)}
    assert links == {(dataset("in", "n"), key), (key, dataset("out", "n"))}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps([START, COMPLETE]).encode(),
        gzip.compress(json.dumps([START, COMPLETE], indent=1).encode()),
        b"\n".join(json.dumps(each).encode() for each in (START, COMPLETE)),
    ],
    ids=["array", "gzip", "lines"],
)
def test_several_events_come_in_an_array_compressed_or_as_lines(body):
    is_lines = not body.startswith((b"[", b"\x1f"))

    decoded = read(
        body,
        content_type="application/x-ndjson" if is_lines else "application/json; charset=utf-8",
        coding="gzip" if body.startswith(b"\x1f") else None,
    )

    assert decoded.encoded == [*read(START).encoded, *read(COMPLETE).encoded]


def test_a_run_id_is_the_same_however_it_is_written():
    shouted = {"runId": START["run"]["runId"].upper()}

    assert read(event(run=shouted)).encoded == read(event()).encoded


@pytest.mark.parametrize(
    ("more", "code", "field"),
    [
        ({"eventTime": None}, "missing_field", "eventTime"),
        ({"eventTime": "2026-11-23T10:00:00"}, "naive_instant", "eventTime"),
        ({"eventTime": 7}, "wrong_type", "eventTime"),
        ({"eventType": "DONE"}, "not_allowed", "eventType"),
        ({"run": {"runId": "x"}}, "invalid_id", "run.runId"),
        ({"run": {"runId": "00000000-0000-0000-0000-000000000000"}}, "invalid_id", "run.runId"),
        ({"run": {}}, "missing_field", "run.runId"),
        ({"run": 7}, "wrong_type", "run"),
        ({"run": None, "job": None}, "missing_field", "run"),
        ({"job": None}, "missing_field", "job"),
        ({"job": {"name": "j"}}, "missing_field", "job.namespace"),
        ({"job": {"namespace": "n", "name": ""}}, "empty", "job.name"),
        ({"job": {"namespace": "n", "name": "x" * 200}}, "too_long", "job.name"),
        (
            {"job": {"namespace": "n", "name": "j", "facets": {"a": {"b": "\0"}}}},
            "invalid_text",
            "job.facets.a.b",
        ),
        ({"inputs": {}}, "wrong_type", "inputs"),
        (
            {"inputs": [{"namespace": "n", "name": "d"}, {"namespace": "n"}]},
            "missing_field",
            "inputs[1].name",
        ),
        ({"outputs": [{"namespace": "n" * 201, "name": "d"}]}, "too_long", "outputs[0].namespace"),
        (
            {"outputs": [{"namespace": "n", "name": "d", "outputFacets": 1}]},
            "wrong_type",
            "outputs[0].outputFacets",
        ),
    ],
)
def test_a_refusal_names_the_place_in_the_event(more, code, field):
    assert refusal(event(**more)) == (code, field)


@pytest.mark.parametrize(
    ("facets", "code", "field"),
    [
        ({"parent": {}}, "missing_field", "run.facets.parent.run"),
        ({"parent": {"run": {"runId": "x"}}}, "invalid_id", "run.facets.parent.run.runId"),
        (
            {"parent": {"run": {"runId": START["run"]["runId"]}}},
            "contradiction",
            "run.facets.parent.run.runId",
        ),
        ({"errorMessage": {"message": 7}}, "wrong_type", "run.facets.errorMessage.message"),
        ({"errorMessage": {"stackTrace": 7}}, "wrong_type", "run.facets.errorMessage.stackTrace"),
        ({f"x_{number}": {} for number in range(65)}, "too_many", "run.facets"),
    ],
)
def test_a_facet_that_cannot_be_read_names_its_place(facets, code, field):
    assert refusal(event("FAIL", facets)) == (code, field)


def test_large_and_deep_facets_are_kept_as_far_as_a_record_goes():
    deep = 1
    for _ in range(12):
        deep = {"a": deep}

    details = only(
        read(event(facets={"spark_plan": {"text": "x" * 70_000}, "deep": deep})).records, BlockRecord
    ).details

    assert details["spark_plan"]["omitted_bytes"] > 70_000
    assert json.dumps(details["deep"]).count("a") == 12


def test_a_body_that_is_no_json_is_refused_by_its_header():
    with pytest.raises(Refusal) as refused:
        read(START, content_type="text/plain")

    assert (refused.value.status, refused.value.field) == (415, "Content-Type")
