"""Orders as the query side is asked about them: the one of the design, many alike, and pages of answers."""

from flowtrail.model.records import BlockRecord, EndRecord, ExceptionInfo, Skip, TransactionRecord
from flowtrail.query.transactions import list_transactions
from tests.support.stores import TENANT

T = 1_795_428_000_000_000
"""2026-11-23T10:00:00Z."""
S = 1_000_000
NOW = T + 60 * S
ID = bytes.fromhex("0192e4a0b1c27d3e8f90a1b2c3d4e5f6")
HEX = ID.hex()

# The records of the design, as they arrive.
ORDER = [
    TransactionRecord(
        id=ID, at=T + 120, producer="shop-1/7f3a", seq=1, flow="shop-to-erp", object_type="order",
        object_id="4711", keys={"customer": "C-9"}, created_at=T + 120,
    ),
    BlockRecord(
        transaction=ID, at=T + 1_750_000, producer="shop-1/7f3a", seq=2, id=bytes.fromhex("00f067aa0ba902b7"),
        block="map", stage="processing", status="failed", queued_at=T + 200_000, started_at=T + 250_000,
        ended_at=T + 1_750_000, exceptions=[ExceptionInfo("KeyError", "'sku'")], usage={"cpu_seconds": 0.31},
    ),
    BlockRecord(
        transaction=ID, at=T + 1_800_000, producer="shop-1/7f3a", seq=3, id=bytes.fromhex("00f067aa0ba902b8"),
        block="notify", status="skipped", ended_at=T + 1_800_000,
        skip=Skip("customer_opted_in", expected=True, actual=False),
    ),
    EndRecord(transaction=ID, at=T + 1_801_000, producer="shop-1/7f3a", seq=4, outcome="failed", ended_at=T + 1_801_000),
]  # fmt: skip


def orders(count, first=1):
    for number in range(first, first + count):
        key = number.to_bytes(16, "big")
        at = T + (number // 2) * S  # two at a time: ties are broken by id
        yield TransactionRecord(
            id=key, at=at, flow="shop", object_type="order", object_id=f"o-{number}", created_at=at
        )


def execution(number, block, status, attempt=None, **more):
    at = T + number * S
    return BlockRecord(
        transaction=ID, at=at, id=number.to_bytes(8, "big"), block=block, status=status, started_at=at,
        ended_at=at + S if status in {"succeeded", "failed", "skipped"} else None, attempt=attempt, **more,
    )  # fmt: skip


def walk(store, **asked):
    token, pages = None, []
    while True:
        page = list_transactions(store, TENANT, page_token=token, now=NOW, **asked)
        pages.append(page)
        token = page["next_page_token"]
        if token is None:
            return pages


def ids(pages):
    return [item["id"] for page in pages for item in page["transactions"]]
