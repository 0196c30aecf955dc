"""Hypothesis strategies for canonical records: few ids, few instants, so that statements meet and tie."""

from hypothesis import strategies as st

from flowtrail.model.records import (
    AnyRecord,
    BlockRecord,
    EndRecord,
    ExceptionInfo,
    Skip,
    TransactionRecord,
)

BASE = 1_790_000_000_000_000
IDS = [bytes([n]) * 16 for n in (1, 2, 3)]
MANY_IDS = [bytes([n]) * 16 for n in range(1, 13)]
EXECUTIONS = [bytes([n]) * 8 for n in (1, 2, 3, 4, 5)]

instants = st.integers(0, 12).map(lambda n: BASE + n * 17_000_000)
names = st.sampled_from(["map", "ship", "validate"])
stamps = {
    "at": instants,
    "producer": st.sampled_from([None, "a/1", "b/2"]),
    "seq": st.sampled_from([None, 1, 2, 3]),
}


def maybe(strategy):
    return st.none() | strategy


def transactions(ids=IDS):
    return st.builds(
        TransactionRecord,
        id=st.sampled_from(ids),
        **stamps,
        flow=st.sampled_from(["shop", "bill"]),
        object_type=st.sampled_from(["order", "item"]),
        object_id=st.sampled_from(["4711", "4712"]),
        version=maybe(st.sampled_from(["1", "2"])),
        keys=maybe(
            st.dictionaries(
                st.sampled_from(["customer", "batch"]), st.sampled_from(["C-9", "C-10"]), min_size=1
            )
        ),
        attributes=maybe(st.dictionaries(st.sampled_from(["x", "y"]), st.integers(0, 3), min_size=1)),
        created_at=maybe(instants),
        deadline_at=maybe(instants),
        attempt=maybe(st.integers(1, 3)),
        trace=maybe(st.sampled_from(["t1", "t2"])),
    )


_exceptions = st.lists(
    st.builds(
        ExceptionInfo,
        kind=st.sampled_from(["KeyError", "OSError"]),
        message=maybe(st.sampled_from(["order 4711", "order 4712", "disk"])),
        cause=maybe(st.builds(ExceptionInfo, kind=st.just("ValueError"))),
    ),
    min_size=1,
    max_size=2,
)


@st.composite
def blocks(draw, ids=IDS, executions=EXECUTIONS):
    status = draw(st.sampled_from([None, "pending", "running", "succeeded", "failed", "skipped"]))
    return BlockRecord(
        transaction=draw(st.sampled_from(ids)),
        at=draw(stamps["at"]),
        producer=draw(stamps["producer"]),
        seq=draw(stamps["seq"]),
        id=draw(st.sampled_from(executions)),
        block=draw(names),
        status=status,
        queued_at=draw(maybe(instants)),
        started_at=draw(maybe(instants)),
        ended_at=draw(maybe(instants)) if status in ("succeeded", "failed", "skipped") else None,
        stage=draw(maybe(st.sampled_from(["ingress", "egress"]))),
        parent=draw(maybe(st.sampled_from(executions))),
        attempt=draw(maybe(st.integers(1, 2))),
        worker=draw(maybe(st.sampled_from(["w1", "w2"]))),
        usage=draw(
            maybe(st.dictionaries(st.sampled_from(["cpu_seconds", "bytes_in"]), st.floats(0, 9), min_size=1))
        ),
        details=draw(
            maybe(st.dictionaries(st.sampled_from(["lines", "size"]), st.integers(0, 3), min_size=1))
        ),
        exceptions=draw(_exceptions) if status == "failed" and draw(st.booleans()) else None,
        skip=Skip(draw(st.sampled_from(["paid", "country"]))) if status == "skipped" else None,
    )


def ends(ids=IDS):
    return st.builds(
        EndRecord,
        transaction=st.sampled_from(ids),
        **stamps,
        outcome=st.sampled_from(["delivered", "failed", "filtered", "cancelled"]),
        attempt=st.integers(1, 3),
        ended_at=maybe(instants),
        predicate=maybe(st.sampled_from(["paid", "country"])),
    )


def records(ids=IDS) -> st.SearchStrategy[AnyRecord]:
    return st.one_of(blocks(ids), blocks(ids), blocks(ids), transactions(ids), ends(ids))


def order_id(number: int) -> bytes:
    """The transaction that `an_order` speaks of: sorts by number."""
    return number.to_bytes(16, "big")


def an_order(number: int, *, outcome: str | None = "delivered", opened: int | None = None) -> list[AnyRecord]:
    """An order's whole way: announced, validated and shipped, and ended unless `outcome` is None."""
    at = BASE + number * 1_000_000 if opened is None else opened
    key = order_id(number)
    told: list[AnyRecord] = [
        TransactionRecord(
            id=key, at=at, flow="shop", object_type="order", object_id=f"o-{number}", version="3",
            keys={"customer": f"C-{number % 5}"}, created_at=at,
        ),
        BlockRecord(
            transaction=key, at=at + 20, id=b"\0" * 7 + b"\1", block="validate", status="succeeded",
            queued_at=at + 5, started_at=at + 10, ended_at=at + 20,
        ),
        BlockRecord(
            transaction=key, at=at + 40, id=b"\0" * 7 + b"\2", block="ship",
            status="failed" if outcome == "failed" else "succeeded", started_at=at + 30, ended_at=at + 40,
            exceptions=[ExceptionInfo(kind="KeyError", message="'sku'")] if outcome == "failed" else None,
        ),
    ]  # fmt: skip
    if outcome is not None:
        told.append(EndRecord(transaction=key, at=at + 50, outcome=outcome, ended_at=at + 50))
    return told
