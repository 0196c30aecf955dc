"""Flows in which one trace carries many objects, each a transaction of its own."""

from flowtrail.intake.foreign.otlp_settings import trace_settings
from flowtrail.model.ids import derived_transaction_id
from flowtrail.model.records import BlockRecord, EndRecord, LinkRecord, TransactionRecord
from tests.support.kinds import only
from tests.support.otlp import TRACE, read, request, root, span
from tests.support.spans import records


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
