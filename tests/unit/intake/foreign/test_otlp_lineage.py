"""Links between spans: to another trace they are lineage, within one they are told."""

from flowtrail.model.records import BlockRecord
from tests.support.kinds import only
from tests.support.otlp import PARENT, SPAN, TRACE, attributes, span
from tests.support.spans import links, records

OTHER = "0af7651916cd43dd8448eb211c80319c"


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
