"""`TransactionReader.find_whole`: a transaction with what else answers about it say, read back through a second handle."""

from flowtrail.model.conditions import EVERYTHING, Moment
from flowtrail.storage.interface import Batch, Definition, Selection, SetAside
from tests.support.folding import Folder
from tests.support.records import BASE, an_order, order_id


def declared(version, body=b"told", tenant="acme", kind="flow", at=1):
    return Definition(tenant, kind, ("shop", version), (at, "p/1", 1), body)


def test_a_transaction_comes_with_its_own_records_set_aside_and_its_tenants_flows(folder, reading):
    folder.tell("acme", *an_order(1), *an_order(2))
    folder.tell("globex", *an_order(1, outcome="failed"))
    own = [SetAside("acme", 7, 2, order_id(1), "odd"), SetAside("acme", 3, 0, order_id(1), "odd")]
    others = [
        SetAside("acme", 1, 0, None, "unreadable"),
        SetAside("acme", 1, 1, order_id(2), "odd"),
        SetAside("globex", 1, 2, order_id(1), "odd"),
    ]
    flows = [declared("2"), declared("1"), declared("9", kind="report"), declared("5", tenant="globex")]
    folder.write(Batch(set_aside=[*own, *others], definitions=flows))

    found = reading.transactions.find_whole("acme", order_id(1))

    assert found.stored == reading.transactions.find("acme", order_id(1))
    assert found.set_aside == sorted(own)
    assert found.flows == [declared("1"), declared("2")]
    other = reading.transactions.find_whole("globex", order_id(1))
    assert other.stored.header.status == "failed"
    assert (other.set_aside, other.flows) == ([others[2]], [declared("5", tenant="globex")])


def test_what_is_told_beside_a_transaction_must_be_no_older_than_it(folder, reading):
    folder.tell("acme", *an_order(1))
    assert reading.transactions.find_whole("acme", order_id(1))[1:] == ([], [])

    for at in range(1, 4):
        folder.write(Batch(definitions=[declared("1", b"%d" % at, at=at)]))
        assert [each.body for each in reading.transactions.find_whole("acme", order_id(1)).flows] == [
            b"%d" % at
        ]
        aside = SetAside("acme", at, 0, order_id(1), "odd")
        folder.write(Batch(set_aside=[aside]))
        assert reading.transactions.find_whole("acme", order_id(1)).set_aside[-1] == aside


def test_a_transaction_that_is_not_there_may_have_records_set_aside(folder, reading):
    aside = SetAside("acme", 1, 1, order_id(1), "odd")
    folder.write(Batch(set_aside=[aside], definitions=[declared("1")]))

    assert reading.transactions.find_whole("acme", order_id(1)) == (None, [aside], [declared("1")])
    assert reading.transactions.find_whole("nobody", order_id(1)) == (None, [], [])


def test_rebuilt_views_say_what_was_told_to_them(folder, reading):
    folder.tell("acme", *an_order(1))
    folder.write(Batch(definitions=[declared("1", b"old")]))
    assert reading.transactions.find_whole("acme", order_id(1)).flows == [declared("1", b"old")]
    rebuilt = folder.writer.begin_rebuild()
    again = Folder(rebuilt, "test")
    again.tell("acme", *an_order(1, outcome="failed"))
    again.write(Batch(definitions=[declared("1", b"new")]))

    folder.writer.finish_rebuild(rebuilt)

    found = reading.transactions.find_whole("acme", order_id(1))
    assert found.stored.header.status == "failed"
    assert found.flows == [declared("1", b"new")]


def test_what_is_told_beside_transactions_is_none_of_them(folder, reading):
    folder.tell("acme", *an_order(1))
    folder.write(Batch(set_aside=[SetAside("acme", 1, 0, None, "odd")], definitions=[declared("1")]))

    page = reading.transactions.select(Selection("acme", Moment(BASE), EVERYTHING, limit=10))

    assert [row.id for row in page.rows] == [order_id(1)]
    assert [each.id for each in reading.transactions.iter_states()] == [order_id(1)]
    for sort in ("updated", "ended"):
        selection = Selection("acme", Moment(BASE), sort=sort)
        assert [row.id for row in reading.transactions.select(selection).rows] == [order_id(1)]
        assert reading.transactions.count(selection) == (1, True)
