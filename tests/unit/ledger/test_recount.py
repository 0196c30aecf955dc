"""Cells counted anew by `check`."""

from flowtrail.ledger.recount import Entry, Recount, refold, summed
from flowtrail.ledger.runs import Runs
from flowtrail.model.records import BlockRecord, encode_record
from tests.support.records import BASE, order_id


def test_of_long_transactions_few_wait_to_be_counted(monkeypatch):
    monkeypatch.setattr("flowtrail.ledger.recount._TALLY_EXECUTIONS", 20)
    into, waiting = Runs(), []
    recount = Recount(into, 0)
    for number in range(50):
        records = [
            BlockRecord(
                order_id(number), BASE, "a/1", place, bytes([place]) * 8, "map", "succeeded", BASE, BASE, BASE
            )
            for place in range(1, 8)
        ]
        recount.add("default", refold("default", [Entry(1, encode_record(records))]))
        waiting.append(len(recount._waiting))
    recount.flush()

    assert max(waiting) <= 3
    assert summed(value[1] for key, values in into.groups() if key[2] == "year" for value in values)
