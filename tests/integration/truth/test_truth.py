"""Logs that nobody here wrote come out as a recount of their rows says: on every store, in any order, told twice.

Everything is read through the public HTTP interface. Counts, sums, instants, edges and links are exact; percentiles
from cells lie within 2.2 % of the nearest rank.
"""

from collections import Counter
from random import Random

import pytest

from tests.integration.truth.conftest import ORDERS, REAL_ORDERS, SPANS, WHOLE_DAYS
from tests.support.reading import micros
from tests.support.recount import nearest_rank
from tests.support.truth import SEED

TOLERANCE = 0.022
LOOKED_AT = 60


FLOW_OF = {"orders": "order", "items": "item", "packages": "package"}


def within(told: float, truth: int) -> bool:
    """A percentile in seconds against the raw value in microseconds; a microsecond is the last digit told."""
    return abs(told * 1e6 - truth) <= TOLERANCE * truth + 1


def sampled(log, number=LOOKED_AT):
    return Random(SEED).sample(sorted(log.recount.ways), min(number, len(log.recount.ways)))


def ids(told):
    return {(row["flow"], row["object_id"]): row["id"] for row in told.transactions()}


def test_every_object_is_a_transaction_with_its_instants(told, log):
    rows = {(row["flow"], row["object_id"]): row for row in told.transactions()}

    assert set(rows) == set(log.recount.ways)
    wrong = {
        key: row
        for key, row in rows.items()
        if (way := log.recount.ways[key])
        and (
            micros(row["opened_at"]) != way.created
            or micros(row["created_at"]) != way.created
            or micros(row["ended_at"]) != way.ended
            or row["status"] != ("in_transit" if way.ended is None else "delivered")
            or micros(row["duration_s"]) != (None if way.ended is None else way.ended - way.created)
        )
    }
    assert wrong == {}


def test_executions_are_counted_by_block_and_status(told, log):
    assert told.executions() == log.recount.executions


@pytest.mark.parametrize(("measure", "attribute"), [("wait_s", "waits"), ("work_s", "works")])
def test_waits_and_work_are_exact_in_number_and_sum_and_near_in_percentiles(told, log, measure, attribute):
    truth = getattr(log.recount, attribute)

    for key, bucket in told.by_block().items():
        found, values = bucket[measure], truth.get(key, [])
        assert (found["n"], micros(found["sum"])) == (len(values), sum(values)), key
        for percent in (50, 95, 99) if values else ():
            assert within(found[f"p{percent}"], nearest_rank(values, percent / 100)), (key, percent)


def test_from_the_rows_minimum_maximum_and_percentiles_are_exact(told, log):
    for key, bucket in told.by_block(source="scan").items():
        values = log.recount.works[key]
        found = bucket["work_s"]
        assert (found["n"], micros(found["sum"])) == (len(values), sum(values)), key
        assert (micros(found["min"]), micros(found["max"])) == (min(values), max(values)), key
        assert micros(found["p95"]) == nearest_rank(values, 0.95), key


def test_edges_and_their_times_are_exact(told, log):
    truth = log.recount.edges()
    found = told.edges(log.flows)

    assert {key: edge["count"] for key, edge in found.items()} == {k: len(v) for k, v in truth.items()}
    for key, edge in found.items():
        times = [time for time in truth[key] if time >= 0]
        assert (edge["time_s"]["n"], micros(edge["time_s"]["sum"])) == (len(times), sum(times)), key
        assert edge["time_s"]["skewed"] == len(truth[key]) - len(times), key


def test_durations_of_whole_transactions_are_exact(told, log):
    for flow in log.flows:
        values = log.recount.lifecycles(flow)
        found = told.get(f"/v1/flows/{flow}")["duration_s"]
        assert (found["n"], micros(found["sum"])) == (len(values), sum(values))
        assert within(found["p50"], nearest_rank(values, 0.5))


def test_a_transaction_tells_its_executions_in_order_and_nested(told, log):
    known = ids(told)

    for key in sampled(log):
        blocks = told.get(f"/v1/transactions/{known[key]}")["blocks"]
        steps = sorted(log.recount.ways[key].steps, key=lambda step: step[:3])
        assert [
            (
                micros(block["started_at"]),
                micros(block["ended_at"]),
                int(block["id"], 16),
                block["block"],
                None if block["parent"] is None else int(block["parent"], 16),
            )
            for block in blocks
        ] == steps, key


@pytest.mark.parametrize("log", ORDERS, indirect=True)
def test_every_link_is_there_from_both_ends(told, log):
    keys = {object_id: key for (_, object_id), key in ids(told).items()}
    names = {key: object_id for object_id, key in keys.items()}
    parents = {parent for parent, _, _ in log.recount.links}
    children = {child for _, child, _ in log.recount.links}

    up: set[tuple[str, str, str]] = set()
    for last in sorted(children - parents):
        lineage = told.get(f"/v1/transactions/{keys[last]}/lineage")
        assert lineage["complete"]
        up |= {
            (names[link["parent"]], names[link["child"]], link["relation"]) for link in lineage["ancestors"]
        }
    down: set[tuple[str, str, str]] = set()
    looked_at = set(Random(SEED).sample(sorted(parents), min(LOOKED_AT, len(parents))))
    for parent in looked_at:
        lineage = told.get(f"/v1/transactions/{keys[parent]}/lineage")
        down |= {(parent, names[link["id"]], link["relation"]) for link in lineage["children"]}

    assert up == log.recount.links
    assert down == {link for link in log.recount.links if link[0] in looked_at}


@pytest.mark.parametrize("log", SPANS, indirect=True)
def test_self_times_of_services_add_up(told, log):
    sums: Counter[str] = Counter()
    for key in ids(told).values():
        blocks = told.get(f"/v1/transactions/{key}")["blocks"]
        spent: Counter[str | None] = Counter()
        for block in blocks:
            spent[block["parent"]] += micros(block["work_s"])
        for block in blocks:
            sums[block["block"].split(" :: ")[0]] += max(0, micros(block["work_s"]) - spent[block["id"]])

    assert dict(sums) == log.self_times


@pytest.mark.parametrize("log", ORDERS, indirect=True)
def test_what_failed_is_found_by_its_block(told, log):
    failed = {(flow, block) for flow, block, status in log.recount.executions if status == "failed"}

    for flow, block in failed:
        number = len(told.transactions(q=f'flow:{flow} block:"{block}"/failed'))
        assert number == told.total(f'flow:{flow} block:"{block}"/failed')
        truth = {
            key
            for key, way in log.recount.ways.items()
            if key[0] == flow and any(step[3] == block for step in way.steps)
        }
        assert number == len(truth)


if REAL_ORDERS:

    @pytest.mark.parametrize("log", REAL_ORDERS, indirect=True)
    def test_orders_items_and_packages_are_what_their_reference_says(told, log):
        executions = told.by_block()

        for name, flow in FLOW_OF.items():
            truth = log.reference["objects"][name]
            rows = told.transactions(q=f"flow:{flow}")
            counts = {block: each["executions"] for (of, block), each in executions.items() if of == flow}
            assert len(rows) == told.total(f"flow:{flow} status:delivered") == truth["objects"]
            assert {block: count["arrivals"] for block, count in counts.items()} == truth["activity_counts"]
            assert sum(count["arrivals"] for count in counts.values()) == truth["relations"]
            durations, cycle = [micros(row["duration_s"]) for row in rows], truth["lifecycle_s"]
            assert (len(durations), sum(durations)) == (cycle["n"], cycle["sum"] * 1_000_000)
            assert (min(durations), max(durations)) == (cycle["min"] * 1_000_000, cycle["max"] * 1_000_000)
            days = Counter(row["created_at"][:10] for row in rows)
            assert truth.get("created_per_day", days) == days
        confirming = told.edges(["order"])["order", "place order", "confirm order"]["time_s"]
        truth = log.reference["objects"]["orders"]["place_to_confirm_s"]
        assert (confirming["n"], confirming["sum"]) == (truth["n"], truth["sum"])
        assert executions["item", "item out of stock"]["executions"]["failed"] == 1_664
        assert executions["package", "failed delivery"]["executions"]["failed"] == 391
        assert told.total('block:"failed delivery"/failed') == 261

    @pytest.mark.parametrize("log", WHOLE_DAYS, indirect=True)
    def test_a_day_of_spans_is_what_its_reference_says(told, log):
        truth = log.reference
        rows = told.transactions()
        by_block = {block: each for (_, block), each in told.by_block(source="scan").items()}
        works = {block: each["work_s"] for block, each in by_block.items()}

        assert len(rows) == truth["traces"]
        assert sum(each["executions"]["arrivals"] for each in by_block.values()) == truth["spans"]
        minutes = Counter(row["created_at"][11:16] for row in rows)
        assert minutes == truth["requests_per_minute"]
        assert {
            block: [work["n"], *(micros(work[name]) for name in ("sum", "min", "max"))]
            for block, work in works.items()
        } == {
            block: [operation[name] for name in ("n", "sum", "min", "max")]
            for block, operation in truth["operations_us"].items()
        }
        placed = by_block["frontend :: hipstershop.CheckoutService/PlaceOrder"]["executions"]["arrivals"]
        assert placed == truth["orders"]["count"] == 684
        assert log.self_times == {
            service: times["sum"] for service, times in truth["self_time_us_by_service"].items()
        }


def test_told_again_in_another_order_it_answers_the_same(told, log):
    before = told.everything(log.flows)

    told.say(log.in_other_order())

    assert told.everything(log.flows) == before


def test_a_store_told_in_another_order_answers_the_same(told, log, serving_new):
    with serving_new() as other:
        other.say(log.in_other_order())

        assert other.everything(log.flows) == told.everything(log.flows)
        known = ids(told)
        for key in sampled(log, 20):
            path = f"/v1/transactions/{known[key]}"
            assert other.get(path) == told.get(path)
