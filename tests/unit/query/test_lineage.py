"""Lineage: relatives, and every link up and down."""

from flowtrail.model.records import LinkRecord
from flowtrail.query import lineage
from flowtrail.query.transactions import get_lineage
from tests.support.orders import HEX, ID, ORDER, orders
from tests.support.refusals import refused
from tests.support.stores import TENANT, store_of


def test_lineage_tells_relatives_and_every_link_up_and_down():
    keys = {record.object_id: record.id for record in orders(5)}
    links = [
        ("o-1", "o-2", "split"),
        ("o-2", "o-3", "derive"),
        ("o-2", "o-4", "merge"),
        ("o-4", "o-1", "retry"),
    ]
    store = store_of([*orders(5), *(LinkRecord(keys[a], keys[b], relation) for a, b, relation in links)])

    shown = get_lineage(store, TENANT, keys["o-2"].hex())

    assert [(each["relation"], each["transaction"]["object_id"]) for each in shown["parents"]] == [
        ("split", "o-1")
    ]
    assert [(each["relation"], each["transaction"]["object_id"]) for each in shown["children"]] == [
        ("derive", "o-3"), ("merge", "o-4"),
    ]  # fmt: skip
    assert len(shown["ancestors"]) == 4 - 1  # the circle is walked once: o-1, o-4, o-2 again
    assert len(shown["descendants"]) == 4
    assert shown["complete"]
    alone = get_lineage(store, TENANT, keys["o-5"].hex())
    assert (alone["parents"], alone["children"]) == ([], [])
    assert refused(get_lineage, store, TENANT, "1" * 32).status == 404


def test_a_link_to_somebody_unknown_is_told_with_the_id_alone(monkeypatch):
    parents = [bytes([n]) * 16 for n in range(1, 6)]
    store = store_of([*ORDER, *(LinkRecord(parent, ID, "merge") for parent in parents)])

    assert get_lineage(store, TENANT, HEX)["parents"][0] == {
        "relation": "merge", "id": "01" * 16, "transaction": None,
    }  # fmt: skip
    monkeypatch.setattr(lineage, "MAX_LINKS", 3)
    shown = get_lineage(store, TENANT, HEX)
    assert (len(shown["parents"]), shown["complete"]) == (3, False)
