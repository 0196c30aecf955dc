"""Queries find exactly what a plain reading of the answers finds: parser, evaluator and list against a recount."""

from hypothesis import given
from hypothesis import strategies as st

from flowtrail.model.instants import format_instant
from flowtrail.model.records import BlockRecord
from flowtrail.query.terms import quoted
from flowtrail.query.transactions import get_transaction, list_transactions
from tests.support.reading import micros
from tests.support.records import BASE, records
from tests.support.stores import TENANT, store_of

NOW = BASE + 4_000_000_000
FINAL = {"succeeded", "failed", "skipped"}


# Instants are multiples of 17 s from BASE: bounds lie on them, and between.
# An execution of which no instant is known stands at the instant it was stated, which answers do not show.
def with_an_instant(record):
    if isinstance(record, BlockRecord) and record.queued_at is None and record.started_at is None:
        record.queued_at = record.at
    return record


points = st.integers(-1, 13).map(lambda n: BASE + n * 8_500_000)


def in_range(text, since, until):
    return (
        text is not None
        and (since is None or micros(text) >= since)
        and (until is None or micros(text) < until)
    )


def said(since, until):
    return "..".join("" if end is None else format_instant(end) for end in (since, until))


@st.composite
def ranges(draw):
    since, until = draw(st.none() | points), draw(st.none() | points)
    if since is not None and until is not None and since > until:
        since, until = until, since
    return since, until


def executions_that(shown, block, status, since, until):
    for each in shown["blocks"]:
        if block not in (None, each["block"]) or status not in (None, each["status"]):
            continue
        known = [each[name] for name in ("queued_at", "started_at", "ended_at") if each[name]]
        if status is None or status == "pending":
            instant = min(known, default=None)
        elif status in FINAL:
            instant = each["ended_at"] or each["started_at"] or each["queued_at"]
        else:
            instant = each["started_at"] or min(known, default=None)
        if (since, until) == (None, None) or (instant is not None and in_range(instant, since, until)):
            yield each


def kinds_of(exception):
    while exception:
        yield exception["type"]
        exception = exception.get("cause")


@st.composite
def asked(draw):
    """One term, and what it means of an answer."""
    field = draw(st.sampled_from(["status", "type", "flow", "version", "block", "any", "predicate", "exception",
                                  "key", "prefix", "trace", "worker", "id", "duration", "created", "ended",
                                  "updated", "late", "has", "word", "word*"]))  # fmt: skip
    one = st.sampled_from
    if field in {"status", "type", "flow", "trace"}:
        value = draw(one({
            "status": ["in_transit", "delivered", "failed", "filtered"],
            "type": ["order", "item", "nothing"], "flow": ["shop", "bill"], "trace": ["t1", "t2"],
        }[field]))  # fmt: skip
        name = {"type": "object_type"}.get(field, field)
        return f"{field}:{value}", lambda shown: shown[name] == value
    if field == "version":
        value = draw(one(["1", "2", None]))
        return f"version:{quoted(value or '')}", lambda shown: shown["version"] == value
    if field in {"block", "any"}:
        block = None if field == "any" else draw(one(["map", "ship", "validate"]))
        status = draw(one([None, "pending", "running", "succeeded", "failed", "skipped"]))
        since, until = draw(one([(None, None)]) | ranges())
        text = f"block:{block or '*'}" + (f"/{status}" if status else "")
        if (since, until) != (None, None):
            text += f"@{said(since, until)}"
        return text, lambda shown: any(executions_that(shown, block, status, since, until))
    if field == "predicate":
        value = draw(one(["paid", "country"]))
        return f"predicate:{value}", lambda shown: value in [
            shown["predicate"], *(each["skip"]["predicate"] for each in shown["blocks"] if each["skip"])
        ] or None  # fmt: skip
    if field == "exception":
        value = draw(one(["KeyError", "OSError", "ValueError"]))
        return f"exception:{value}", lambda shown: any(
            value in kinds_of(exception) for each in shown["blocks"] for exception in each["exceptions"]
        )
    if field in {"key", "prefix"}:
        name, value = draw(one(["customer", "batch"])), draw(one(["C-9", "C-1", "C-10"]))
        if field == "key":
            return f"key.{name}:{value}", lambda shown: shown["keys"].get(name) == value
        return f"key.{name}:{value}*", lambda shown: shown["keys"].get(name, "").startswith(value)
    if field == "worker":
        return "worker:w1", lambda shown: "w1" in [each["worker"] for each in shown["blocks"]]
    if field == "id":
        value = draw(one([1, 2, 9]))
        key = (bytes([value]) * 16).hex()
        return draw(one([f"id:{key}", key])), lambda shown: shown["id"] == key
    if field == "duration":
        bound = draw(one([0, 17, 50]))
        return (
            f"duration:>={bound}s",
            lambda shown: shown["duration_s"] is not None and (shown["duration_s"] >= bound),
        )
    if field in {"created", "ended", "updated"}:
        since, until = draw(ranges())
        name = {"created": "opened_at"}.get(field, f"{field}_at")
        return f"{field}:{said(since, until)}", lambda shown: in_range(shown[name], since, until)
    if field == "late":
        return "is:late", lambda shown: shown["late"]
    if field == "has":
        return "has:failures", lambda shown: "failed" in [each["status"] for each in shown["blocks"]]
    value = draw(one(["4711", "4712", "C-9", "C-1"]))
    if field == "word":
        return value, lambda shown: value in [shown["object_id"], *shown["keys"].values()]
    return f"{value}*", lambda shown: any(
        text.startswith(value) for text in [shown["object_id"] or "", *shown["keys"].values()]
    )


@given(
    told=st.lists(records().map(with_an_instant), min_size=1, max_size=9),
    questions=st.lists(
        st.lists(st.tuples(st.booleans(), asked()), min_size=1, max_size=3), min_size=3, max_size=5
    ),
)
def test_a_query_finds_exactly_what_a_plain_reading_of_the_answers_finds(told, questions):
    store = store_of(told)
    everything = list_transactions(store, TENANT, now=NOW)["transactions"]
    shown = [get_transaction(store, TENANT, item["id"], NOW) for item in everything]

    for question in questions:
        q = " ".join(("-" if negated else "") + text for negated, (text, _) in question)
        expected = [
            each["id"]
            for each in shown
            if all(bool(meaning(each)) != negated for negated, (_, meaning) in question)
        ]
        found = list_transactions(store, TENANT, q=q, now=NOW)
        assert [item["id"] for item in found["transactions"]] == expected, q
        assert (found["total"], found["total_is_exact"]) == (len(expected), True)
