"""Whatever JSON somebody sends as an event: records or refusals, never anything else, and the same again."""

import json

from hypothesis import given
from hypothesis import strategies as st

from flowtrail.intake.foreign.cloudevents import EXTENSIONS, EventDefaults
from flowtrail.intake.foreign.cloudevents_http import read_cloudevents
from flowtrail.intake.foreign.openlineage import STATUSES, read_openlineage
from flowtrail.intake.redacting import redact
from flowtrail.intake.wire import decode_body
from flowtrail.model.records import encode_record
from flowtrail.model.redaction import Redaction
from flowtrail.query.records import wire_json

NOW = 1_795_000_000_000_000

texts = st.text(max_size=6) | st.sampled_from(
    [
        "",
        "\0",
        "\ud800",
        "x" * 300,
        "a.b",
        "1.0",
        "2026-11-23T10:00:00Z",
        "failed",
        "skipped",
        "delivered",
        "00" * 16,
    ]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
whole = {"specversion": "1.0", "id": "1", "source": "/s", "type": "a.b", "time": "2026-11-23T10:00:00Z"}
cloudevents = st.builds(
    lambda base, more, gone: {name: value for name, value in (base | more).items() if name not in gone},
    st.just(whole),
    st.dictionaries(
        st.sampled_from(
            [
                *whole,
                "subject",
                "data",
                "data_base64",
                "datacontenttype",
                "dataschema",
                "partitionkey",
                "traceparent",
            ]
            + [f"flowtrail{name}" for name in EXTENSIONS]
        )
        | texts,
        anything,
        max_size=4,
    ),
    st.sets(st.sampled_from(list(whole)), max_size=1),
)
datasets = st.fixed_dictionaries(
    {"namespace": texts | st.just("n"), "name": texts | st.just("d")},
    optional={"facets": anything, "inputFacets": anything, "outputFacets": anything},
)
parents = st.just({"run": {"runId": "01967000-8000-7000-8000-000000000002"}}) | anything
lineage = st.fixed_dictionaries(
    {"eventTime": st.just("2026-11-23T10:00:00Z") | anything},
    optional={
        "eventType": st.sampled_from(list(STATUSES)) | anything,
        "run": st.fixed_dictionaries(
            {"runId": st.just("01967000-8000-7000-8000-000000000001") | anything},
            optional={
                "facets": st.fixed_dictionaries(
                    {}, optional={"parent": parents, "errorMessage": anything, "x_y": anything}
                )
                | anything
            },
        ),
        "job": st.fixed_dictionaries({"namespace": texts, "name": texts}, optional={"facets": anything})
        | anything,
        "inputs": st.lists(datasets, max_size=2) | anything,
        "outputs": st.lists(datasets, max_size=2) | anything,
        "dataset": datasets | anything,
    },
)


def check(read, event):
    body = json.dumps(event).encode()
    decoded = read(body)
    assert decoded.accepted + len(decoded.rejected) == 1
    assert bool(decoded.encoded) == bool(decoded.accepted)
    assert read(body).encoded == decoded.encoded
    for record in decoded.records:
        # What was accepted here would have been accepted from a producer of records, with the same bytes.
        again = decode_body(json.dumps([wire_json(record)]).encode(), "application/json", None, NOW)
        assert again.rejected == []
        assert again.encoded == [encode_record(record)]
    redact(decoded, Redaction(values=[r"\w"], names=["a*"], key=b"sixteen bytes or more"))
    for record in decoded.records:
        again = decode_body(json.dumps([wire_json(record)]).encode(), "application/json", None, NOW)
        assert again.rejected == []


@given(cloudevents)
def test_any_cloudevent_is_records_or_one_refusal(event):
    check(
        lambda body: read_cloudevents(
            "default", body, None, None, NOW, headers=(), defaults=EventDefaults("f", None)
        ),
        event,
    )


@given(lineage)
def test_any_openlineage_event_is_records_or_one_refusal(event):
    check(lambda body: read_openlineage("default", body, "application/json", None, NOW), event)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"ce-id", b"ce-source", b"ce-type", b"ce-specversion", b"ce-x", b"ce-\xff"]),
            st.binary(max_size=8),
        ),
        max_size=6,
    ),
    st.binary(max_size=20),
)
def test_any_headers_and_any_body_are_records_or_one_refusal(more, body):
    headers = [(b"ce-specversion", b"1.0"), (b"ce-subject", b"s"), *more]

    for content_type in (None, "application/json", "text/plain", "x/y"):
        decoded = read_cloudevents(
            "default", body, content_type, None, NOW, headers=headers, defaults=EventDefaults()
        )
        assert decoded.accepted + len(decoded.rejected) == 1
