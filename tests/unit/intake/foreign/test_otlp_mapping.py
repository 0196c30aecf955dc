"""What a span becomes, fact by fact."""

import pytest

from flowtrail.intake.foreign.otlp_settings import trace_settings
from flowtrail.model.ids import derived_transaction_id
from flowtrail.model.records import BlockRecord, EndRecord, LinkRecord, TransactionRecord
from tests.support.otlp import (
    END,
    PARENT,
    SPAN,
    START,
    TRACE,
    attributes,
    exception,
    read,
    request,
    root,
    span,
)

OTHER = "0af7651916cd43dd8448eb211c80319c"


def records(*spans, settings=None, resource=None, scope=None):
    decoded = read(request(*spans, resource=resource, scope=scope), settings=settings)
    assert decoded.rejected == []
    return decoded.records


def only(found, kind):
    (record,) = [each for each in found if isinstance(each, kind)]
    return record


def block(told=None, **more):
    return only(records(span(told, **more)), BlockRecord)


def opened(told=None, settings=None, resource=None, **more):
    return only(records(root(told, **more), settings=settings, resource=resource), TransactionRecord)


def ended(told=None, **more):
    return only(records(root(told, **more)), EndRecord)


def links(*spans, settings=None):
    return [each for each in records(*spans, settings=settings) if isinstance(each, LinkRecord)]


# --- the execution ----------------------------------------------------------------------------------------


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


# --- failures ---------------------------------------------------------------------------------------------


def test_an_exception_with_an_error_status_is_a_failure():
    failed = exception(type="KeyError", message="'sku'", stacktrace="Traceback …")
    found = block(status={"code": 2, "message": "KeyError: 'sku'"}, events=[failed])

    assert found.status == "failed"
    (raised,) = found.exceptions
    assert (raised.kind, raised.message, raised.stacktrace) == ("KeyError", "'sku'", "Traceback …")
    assert raised.raised_at == START // 1_000 + 1_000
    assert found.details["otel.status_description"] == "KeyError: 'sku'"
    assert "otel.events" not in found.details


def test_an_exception_that_was_handled_is_told_and_fails_nothing():
    found = block(events=[exception(type="TimeoutError")])

    assert found.status == "succeeded"
    assert [each.kind for each in found.exceptions] == ["TimeoutError"]


def test_an_exception_that_escaped_is_a_failure_without_a_status():
    assert block(events=[exception(type="TimeoutError", escaped=True)]).status == "failed"
    assert (
        block(events=[exception(type="TimeoutError", escaped=True)], status={"code": 1}).status == "succeeded"
    )


@pytest.mark.parametrize(
    ("told", "message", "kind"),
    [
        ({"error.type": "timeout"}, "", "timeout"),
        ({"http.response.status_code": 503}, "", "503"),
        ({"http.status_code": 500}, "gone", "500"),
        ({}, "gone", "error"),
    ],
)
def test_an_error_without_an_exception_is_what_it_says_it_is(told, message, kind):
    found = block(told, status={"code": 2, "message": message})

    (raised,) = found.exceptions
    assert (raised.kind, raised.message) == (kind, message or None)


def test_an_error_that_says_nothing_is_a_failure_without_an_exception():
    found = block(status={"code": 2})

    assert (found.status, found.exceptions) == ("failed", None)


# --- the transaction --------------------------------------------------------------------------------------


def test_a_root_opens_and_ends_the_transaction():
    told = records(root(), resource={"service.name": "shop", "service.version": "3"})
    opened, ended = only(told, TransactionRecord), only(told, EndRecord)

    assert (opened.id.hex(), opened.flow, opened.version) == (TRACE, "shop", "3")
    assert (opened.object_type, opened.object_id, opened.trace) == ("trace", TRACE, TRACE)
    assert opened.created_at == START // 1_000
    assert (ended.transaction.hex(), ended.outcome, ended.ended_at) == (TRACE, "delivered", END // 1_000)
    assert only(told, BlockRecord).parent is None


def test_a_parent_of_zeros_is_none():
    assert ended(parentSpanId="0" * 16).outcome == "delivered"


def test_a_server_span_below_a_remote_parent_is_no_root():
    assert [type(each) for each in records(span(kind=2, flags=0x301))] == [BlockRecord]


def test_a_span_may_be_declared_the_root():
    assert only(records(span({"flowtrail.root": True})), EndRecord).outcome == "delivered"


def test_a_root_that_fails_fails_the_transaction():
    found = ended(status={"code": 2, "message": "no such article"})

    assert (found.outcome, found.reason) == ("failed", "no such article")


def test_an_outcome_may_be_said():
    found = ended(
        {"flowtrail.outcome": "filtered", "flowtrail.predicate": "allowed_country", "flowtrail.reason": "no"}
    )

    assert (found.outcome, found.predicate, found.reason) == ("filtered", "allowed_country", "no")


def test_a_root_may_hand_on():
    told = records(root({"flowtrail.outcome": "in_transit"}))
    later = records(span({"flowtrail.outcome": "delivered"}))

    assert [each for each in told if isinstance(each, EndRecord)] == []
    assert only(later, EndRecord).outcome == "delivered"


def test_a_root_that_still_runs_ends_nothing():
    assert [each for each in records(root(endTimeUnixNano=0)) if isinstance(each, EndRecord)] == []


def test_flow_object_keys_and_attributes_are_named_by_attributes():
    found = opened(
        {
            "flowtrail.flow": "shop-to-erp",
            "flowtrail.version": "7",
            "flowtrail.object.type": "order",
            "flowtrail.object.id": 4711,
            "flowtrail.key.customer": "C-9",
            "flowtrail.attribute.country": "DE",
        }
    )

    assert (found.flow, found.version, found.object_type, found.object_id) == (
        "shop-to-erp",
        "7",
        "order",
        "4711",
    )
    assert (found.keys, found.attributes) == ({"customer": "C-9"}, {"country": "DE"})


def test_a_resource_may_name_the_flow():
    assert opened(resource={"service.name": "shop", "flowtrail.flow": "shop-to-erp"}).flow == "shop-to-erp"


def test_a_service_without_a_name_has_a_flow_all_the_same():
    assert opened(resource={}).flow == "traces"


def test_what_a_message_is_known_by_names_the_object_and_finds_it():
    found = opened({"messaging.message_id": "m-1", "messaging.message.conversation_id": "c-2"}, kind=5)

    assert (found.object_type, found.object_id) == ("conversation", "c-2")
    assert found.keys == {"conversation": "c-2", "message": "m-1"}


def test_attributes_of_the_operators_choice_hold_objects_and_keys():
    settings = trace_settings(
        None, "order=app.order.id,invoice=app.invoice", "customer=app.customer,customer=cust"
    )
    found = opened({"app.invoice": "I-1", "cust": "C-9"}, settings=settings)

    assert (found.object_type, found.object_id, found.keys) == ("invoice", "I-1", {"customer": "C-9"})


def test_a_child_that_names_the_object_tells_it():
    found = only(
        records(span({"flowtrail.object.type": "order", "flowtrail.object.id": "4711"})), TransactionRecord
    )

    assert (found.object_type, found.object_id) == ("order", "4711")
    assert (found.at, found.created_at) == (START // 1_000, None)


@pytest.mark.parametrize("skew", [0, -3_600_000_000_000])
def test_who_names_the_object_wins_over_a_root_that_does_not_whatever_their_clocks_say(skew):
    named = span(
        {"flowtrail.object.type": "order", "flowtrail.object.id": "4711"}, startTimeUnixNano=START + skew
    )
    guessed = span({"flowtrail.key.customer": "C-9"})
    stated = [each for each in records(root(), named, guessed) if isinstance(each, TransactionRecord)]

    ranked = sorted(stated, key=lambda each: each.at)
    assert [each.object_id for each in ranked] == [TRACE, TRACE, "4711"]
    assert [each.keys for each in ranked] == [{"customer": "C-9"}, None, None]


# --- flows of many objects --------------------------------------------------------------------------------


def test_in_a_flow_of_many_objects_each_has_a_transaction_of_its_own():
    settings = trace_settings("import", None, None)
    naming = {"flowtrail.flow": "import", "flowtrail.object.type": "order", "flowtrail.object.id": "4711"}
    found = records(span(naming), settings=settings)

    own = derived_transaction_id("default", "otlp", TRACE, "import", "order", "4711")
    assert only(found, BlockRecord).transaction == own
    assert only(found, TransactionRecord).trace == TRACE
    link = only(found, LinkRecord)
    assert (link.parent.hex(), link.child, link.relation) == (TRACE, own, "split")
    assert [each for each in found if isinstance(each, EndRecord)] == []


def test_an_object_among_many_ends_where_a_span_says_so():
    settings = trace_settings("import", "order=order.id", None)
    told = {"flowtrail.flow": "import", "order.id": "4711", "flowtrail.outcome": "delivered"}

    found = only(records(span(told), settings=settings), EndRecord)
    assert found.transaction == derived_transaction_id("default", "otlp", TRACE, "import", "order", "4711")


def test_the_tenant_is_part_of_a_derived_id():
    settings = trace_settings("shop", "order=order.id", None)
    ids = {
        only(
            read(request(root({"order.id": "1"})), settings=settings, tenant=tenant).records, BlockRecord
        ).transaction
        for tenant in ("a", "b")
    }

    assert len(ids) == 2


def test_a_span_without_an_object_belongs_to_the_trace():
    settings = trace_settings("shop", None, None)

    assert only(records(root(), settings=settings), BlockRecord).transaction.hex() == TRACE


# --- lineage ----------------------------------------------------------------------------------------------


def test_a_link_to_another_trace_is_lineage():
    (found,) = links(span(links=[{"traceId": OTHER, "spanId": SPAN}]))

    assert (found.parent.hex(), found.child.hex(), found.relation) == (OTHER, TRACE, "derive")
    assert found.at is None


def test_a_link_may_say_what_it_means():
    told = attributes({"flowtrail.relation": "merge", "note": "n"})
    spans = span(links=[{"traceId": OTHER, "spanId": SPAN, "attributes": told}])

    (found,) = links(spans)
    assert found.relation == "merge"
    assert only(records(spans), BlockRecord).details["otel.links"] == [
        {"trace_id": OTHER, "span_id": SPAN, "attributes": {"flowtrail.relation": "merge", "note": "n"}}
    ]


def test_a_link_within_the_trace_is_no_lineage_but_told():
    spans = span(links=[{"traceId": TRACE, "spanId": PARENT}])

    assert links(spans) == []
    assert only(records(spans), BlockRecord).details["otel.links"] == [{"trace_id": TRACE, "span_id": PARENT}]
