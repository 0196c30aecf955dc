"""What a span says about the execution it is."""

import pytest

from flowtrail.model.records import BlockRecord
from tests.support.kinds import only
from tests.support.otlp import END, PARENT, SPAN, START, TRACE, span
from tests.support.spans import block, records


def test_a_span_is_an_execution_of_the_transaction_that_its_trace_is():
    found = block({"country": "DE"})

    assert (found.transaction.hex(), found.id.hex(), found.parent.hex()) == (TRACE, SPAN, PARENT)
    assert (found.block, found.status, found.stage) == ("map order", "succeeded", "processing")
    assert (found.started_at, found.ended_at) == (START // 1_000, END // 1_000)
    assert found.at == found.ended_at
    assert found.producer is None
    assert found.seq is None


def test_a_child_alone_says_nothing_about_the_transaction():
    assert [type(record) for record in records(span())] == [BlockRecord]


def test_a_span_that_has_not_ended_runs():
    found = block(endTimeUnixNano=0)

    assert (found.status, found.ended_at, found.at) == ("running", None, START // 1_000)


@pytest.mark.parametrize(
    ("kind", "stage"),
    [
        (0, "processing"),
        (1, "processing"),
        (2, "ingress"),
        (3, "egress"),
        (4, "egress"),
        (5, "ingress"),
        (99, "processing"),
    ],
)
def test_the_kind_gives_the_stage(kind, stage):
    assert block(kind=kind).stage == stage


@pytest.mark.parametrize("name", ["db.system", "db.system.name"])
def test_a_call_to_a_database_is_no_egress(name):
    assert block({name: "postgresql"}, kind=3).stage == "processing"


def test_what_a_span_says_about_itself_goes_before_what_it_is_taken_for():
    found = block(
        {
            "flowtrail.block": "deliver",
            "flowtrail.stage": "egress",
            "flowtrail.worker": "w-7",
            "flowtrail.attempt": 3,
            "flowtrail.usage.cpu_seconds": 0.5,
            "flowtrail.usage.rows": 12,
        }
    )

    assert (found.block, found.stage, found.worker, found.attempt) == ("deliver", "egress", "w-7", 3)
    assert found.usage == {"cpu_seconds": 0.5, "rows": 12.0}
    assert found.details == {"otel.kind": "internal", "service.name": "shop"}


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"messaging.operation": "publish"}, "publish"),
        ({"messaging.operation.name": "send", "messaging.operation": "publish"}, "send"),
        ({"rpc.method": "GetOrder"}, "GetOrder"),
        ({"http.route": "/orders/{id}"}, "/orders/{id}"),
        ({"http.target": "/orders"}, "/orders"),
        ({"db.operation": "SELECT"}, "SELECT"),
        ({"code.function": "validate"}, "validate"),
        ({}, "unnamed"),
    ],
)
def test_a_span_without_a_name_is_named_by_what_it_did(told, name):
    assert block(told, name="").block == name


@pytest.mark.parametrize("name", ["http.request.resend_count", "http.resend_count"])
def test_what_was_sent_again_is_a_later_attempt(name):
    assert block({name: 2}).attempt == 3


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("gen_ai.usage.input_tokens", "input_tokens"),
        ("gen_ai.usage.prompt_tokens", "input_tokens"),
        ("http.request.body.size", "request_bytes"),
        ("http.request_content_length", "request_bytes"),
        ("messaging.batch.message_count", "messages"),
    ],
)
def test_what_instrumentation_counts_is_usage_and_stays_a_detail(name, usage):
    found = block({name: 120})

    assert found.usage == {usage: 120.0}
    assert found.details[name] == 120


def test_the_instance_of_the_service_is_the_worker():
    resource = {"service.name": "shop", "host.name": "h-1", "service.instance.id": "shop-1"}

    assert only(records(span(), resource=resource), BlockRecord).worker == "shop-1"


def test_a_skip_names_its_predicate():
    found = block(
        {
            "flowtrail.skip": "allowed_country",
            "flowtrail.skip.reason": "not served",
            "flowtrail.skip.expected": ["DE", "AT"],
            "flowtrail.skip.actual": "AQ",
        }
    )

    assert found.status == "skipped"
    assert (found.skip.predicate, found.skip.reason) == ("allowed_country", "not served")
    assert (found.skip.expected, found.skip.actual) == (["DE", "AT"], "AQ")


def test_what_is_ours_but_cannot_be_meant_stays_a_detail():
    wrong = {
        "flowtrail.outcome": "done",
        "flowtrail.attempt": 0,
        "flowtrail.usage.cpu_seconds": "a lot",
        "flowtrail.root": "yes",
        "flowtrail.skip.reason": "without a predicate",
        "flowtrail.object.type": "order",
        "flowtrail.reason": "nothing ended",
        "flowtrail.key.": "k",
        "flowtrail.nonsense": 1,
    }
    told = records(span(wrong))

    assert [type(record) for record in told] == [BlockRecord]
    assert {name: told[0].details[name] for name in wrong} == wrong
