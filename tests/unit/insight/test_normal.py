"""What is normal at a block is learned from its cells; stuck is measured against it."""

from flowtrail.insight.normal import LEAST_SEEN, LEAST_US, normal_silence
from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord
from flowtrail.query.transactions import get_transaction, list_transactions
from tests.support.stores import TENANT, store_of

T = 1_795_428_000_000_000
S = 1_000_000
MINUTE = 60 * S
HOUR = 3_600 * S
DAY = 24 * HOUR


def journey(number, *, work=10 * MINUTE, gap=20 * MINUTE, at=T, ended=True):
    """Validated in no time, mapped for `work`, then `gap` until shipped."""
    key = number.to_bytes(16, "big")
    yield TransactionRecord(id=key, at=at, flow="shop", object_type="order", object_id="1", created_at=at)
    steps = [
        ("validate", at, at + S),
        ("map", at + S, at + S + work),
        ("ship", at + S + work + gap, at + 2 * S + work + gap),
    ]
    for place, (block, started, over) in enumerate(steps if ended else steps[:2], 1):
        yield BlockRecord(
            transaction=key, at=over, id=(number * 8 + place).to_bytes(8, "big"), block=block,
            status="succeeded", queued_at=started, started_at=started, ended_at=over,
        )  # fmt: skip
    if ended:
        yield EndRecord(transaction=key, at=at + HOUR, outcome="delivered", ended_at=at + HOUR)


def many(count, **how):
    return [record for number in range(1, count + 1) for record in journey(number, **how)]


def test_normal_is_twice_the_longest_of_wait_work_and_way_and_at_least_a_minute():
    normal = normal_silence(store_of(many(LEAST_SEEN)).cells, TENANT, T + HOUR)

    assert abs(normal["shop", "map"] - 40 * MINUTE) <= 0.022 * 40 * MINUTE
    assert abs(normal["shop", "validate"] - LEAST_US) == 0
    assert normal["shop", "ship"] == LEAST_US


def test_a_block_seen_too_seldom_or_too_long_ago_has_no_normal():
    assert normal_silence(store_of(many(LEAST_SEEN - 1)).cells, TENANT, T + HOUR) == {}
    assert normal_silence(store_of(many(LEAST_SEEN)).cells, TENANT, T + 8 * DAY) == {}
    assert normal_silence(store_of(many(LEAST_SEEN)).cells, "another", T + HOUR) == {}


def test_a_transaction_is_stuck_once_it_is_silent_for_longer_than_its_block_normally_takes():
    silent = (99).to_bytes(16, "big")
    store = store_of([*many(LEAST_SEEN), *journey(99, ended=False)])
    heard = T + S + 10 * MINUTE

    def stuck_at(now):
        found = [
            item["id"] for item in list_transactions(store, TENANT, q="is:stuck", now=now)["transactions"]
        ]
        assert get_transaction(store, TENANT, silent.hex(), now)["stuck"] is bool(found)
        return found

    assert stuck_at(heard + 38 * MINUTE) == []
    assert stuck_at(heard + 42 * MINUTE) == [silent.hex()]


def test_without_history_an_hour_is_granted():
    silent = (99).to_bytes(16, "big").hex()
    store = store_of(journey(99, ended=False))
    heard = T + S + 10 * MINUTE

    assert not get_transaction(store, TENANT, silent, heard + HOUR)["stuck"]
    assert get_transaction(store, TENANT, silent, heard + HOUR + 1)["stuck"]
