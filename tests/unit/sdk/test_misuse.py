"""Whatever a host does with it, nothing is raised into it, and what is left out is said once."""

import logging
import os
import re

import pytest

import flowtrail


def test_before_init_everything_works_and_nothing_is_recorded(caplog):
    flowtrail.shutdown(0)
    with caplog.at_level(logging.WARNING, "flowtrail"):
        for _ in range(3):
            with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
                block.detail(lines=3)
                order.link("split", child="1" * 32)

    assert flowtrail.flush(0.1) is True
    assert [record for record in caplog.records if "nothing is recorded" in record.getMessage()]


def test_each_misuse_is_said_once_and_changes_nothing(sink, caplog):
    with caplog.at_level(logging.WARNING, "flowtrail"):
        order = flowtrail.transaction("order", "4711")
        order.end()
        with order as entered:
            with entered, order.block("map") as block:
                with block, block:
                    block.detail("no name", lines=3)
                block.usage(cpu_seconds=-1, text="x", fine=2)
            block.end()
            order.link("nonsense", child="x")
            order.key("no mapping")
        order.end()
        order.filter("late")
        with order.block("late"):
            pass
        block.detail(after=1)
        block.fail("late")

    records = sink.take()
    kinds = [record["kind"] for record in records]
    assert kinds.count("transaction") == kinds.count("end") == 1
    assert {record["block"] for record in records if record["kind"] == "block"} == {"map", "late"}
    assert len(caplog.records) == len({record.getMessage() for record in caplog.records})
    assert len(caplog.records) >= 6


class Proxy:
    """As frameworks stand one in for what is bound to a request, outside of any."""

    @property
    def __class__(self):
        raise RuntimeError("working outside of a request")

    def __bool__(self):
        raise RuntimeError("working outside of a request")

    __eq__ = __getattr__ = lambda self, *_: self.__class__
    __hash__ = None


class Lazy(dict):
    """A map of values that are not there yet."""

    def __iter__(self):
        raise LookupError

    keys = items = __getitem__ = __len__ = lambda self, *_: iter(self)


@pytest.mark.parametrize("kind", [Proxy, Lazy])
def test_no_argument_is_asked_anything_of_its_own(sink, kind):
    odd = kind()
    names = (
        "keys",
        "attributes",
        "flow",
        "version",
        "deadline",
        "attempt",
        "retry_of",
        "id",
        "trace",
        "redact",
    )
    for name in names:
        flowtrail.transaction("order", "4711", **{name: odd}).start().end()
    with flowtrail.transaction(odd, odd, value=odd, currency=odd) as order, flowtrail.block(odd):
        order.key(odd)
        order.attribute(odd, b=2)
        order.link(odd, odd)
        order.link("split", child=odd)
        order.fail(odd, predicate=odd)
        with order.block("map", odd, odd, odd) as block:
            block.detail(odd)
            block.usage(a=odd)
            block.skip(odd, odd, expected=odd, actual=odd)
    flowtrail.flow(odd, odd, stages=odd, blocks=[odd], deadline=odd)
    flowtrail.flush(odd)

    assert [each["outcome"] for each in sink.take() if each["kind"] == "end"] == [
        *["delivered"] * len(names),
        "failed",
    ]


def released():
    view = memoryview(b"1" * 16)
    view.release()
    return view


@pytest.mark.parametrize("odd", [type("Nowhere", (), {"__module__": None})(), released()])
def test_nothing_that_stands_for_a_transaction_raises_into_the_host(sink, odd):
    with flowtrail.transaction("order", "4711", id=odd, retry_of=odd) as order:
        order.link("split", odd)

    assert [record["kind"] for record in sink.take()] == ["transaction", "end"]


class Untouchable:
    def __repr__(self):
        raise AssertionError("code of a value ran")


@pytest.mark.parametrize(
    ("misuse", "said"),
    [
        (lambda _: flowtrail.transaction("order", "1", deadline="tomorrow"), "deadline .*'tomorrow'"),
        (lambda _: flowtrail.transaction("order", "1", keys=["a"]), "keys .*not list"),
        (lambda _: flowtrail.transaction("order", "1", attributes="a"), "attributes .*not str"),
        (lambda _: flowtrail.transaction("order", Untouchable()), "object id .*Untouchable>.* one object"),
        (lambda _: flowtrail.transaction("order", "1", attempt=0), "attempt .*not 0"),
        (lambda _: flowtrail.transaction("order", "1", id="xyz"), "id .*'xyz'"),
        (lambda _: flowtrail.transaction("order", "1", retry_of="xyz"), "retry_of .*'xyz'"),
        (lambda _: flowtrail.transaction("order", "1", value="much", currency="EUR"), "value .*'much'"),
        (lambda _: flowtrail.transaction("order", "1", redact=5), "redact .*not int"),
        (lambda _: flowtrail.transaction("order", "1", redact=b"pin"), "redact .*not bytes"),
        (
            lambda _: (
                (ended := flowtrail.transaction("order", "2").start()).end() or ended.inject(handover=True)
            ),
            "order 2> has ended; .* handed over",
        ),
        (lambda order: order.link("splits", child="1" * 32), "'splits'"),
        (lambda order: order.block("map", queued_at="soon").start().record(), "queued_at .*'soon'"),
        (lambda order: order.block(Untouchable()).end(), "Untouchable"),
        (lambda order: order.block(Untouchable()).usage(cpu="much"), "Untouchable.*'much'"),
        (lambda _: flowtrail.flow(Untouchable(), "1", stages="abc"), "Untouchable.*str"),
        (lambda _: flowtrail.flow("f", "1", blocks="abc"), "'f'.* blocks of str"),
        (lambda _: flowtrail.flush("soon"), "flush .*'soon'"),
    ],
)
def test_a_notice_names_the_argument_and_what_came(sink, caplog, misuse, said):
    sink.flush = lambda timeout_s: timeout_s + 0
    with caplog.at_level(logging.WARNING, "flowtrail"), flowtrail.transaction("order", "4711") as order:
        misuse(order)

    assert len(caplog.records) == 1
    assert re.search(said, caplog.records[0].getMessage())


def test_a_block_with_more_usages_than_it_may_have_keeps_the_first(sink):
    before = flowtrail.stats().left_out.get("cut", 0)
    with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
        for _ in range(2):
            block.usage(**{f"u{number}": number for number in range(40)})
        block.usage(**{f"v{number}": number for number in range(30)})
        block.usage(u0=7)

    _, told, _ = sink.take()
    assert len(told["usage"]) == 64
    assert told["usage"]["u0"] == 7
    assert flowtrail.stats().left_out["cut"] == before + 6


def test_every_text_that_is_cut_is_counted(sink):
    before = flowtrail.stats().left_out.get("cut", 0)
    long = "x" * 10_000
    with flowtrail.transaction("order", long, keys={"customer": long}) as order:
        with order.block("map") as block:
            block.skip("known", long)
        with order.block("send") as block:
            block.fail(ValueError(long))
        order.fail(long)

    told = sink.take()
    marks = sum(text.count("…[cut: ") for text in map(repr, told))
    assert flowtrail.stats().left_out["cut"] == before + marks == before + 5


def test_what_cannot_be_meant_is_left_out_and_counted_each_time(sink):
    before = flowtrail.stats().left_out.get("invalid", 0)
    with flowtrail.transaction("order", "4711", keys=["C-9"], value="much", currency="EUR") as order:
        with order.block("map") as block:
            block.usage(cpu_seconds=-1)
            block.usage(cpu_seconds=-1, text="x", fine=2)
        order.link("nonsense", child="1" * 32)

    told = [record for record in sink.take() if record["kind"] == "block"]
    assert [record["usage"] for record in told] == [{"fine": 2}]
    assert flowtrail.stats().left_out["invalid"] == before + 6


@pytest.mark.parametrize("own", ["details", "cost", "taken", "number", "started", "transaction"])
def test_a_block_takes_the_arguments_that_are_meant_and_no_field_of_its_own(sink, own):
    with flowtrail.transaction("order", "4711") as order:
        with pytest.raises(TypeError, match=own):
            order.block("map", **{own: "x"})
        with order.block("map", "processing", "host-1"):
            pass

    assert [record["kind"] for record in sink.take()] == ["transaction", "block", "end"]


@pytest.mark.parametrize(
    "odd", [None, 0, "", "\0", "\ud800", "x" * 5000, b"\xff", [1], {}, object(), 1.5, float("nan")]
)
def test_arguments_of_any_kind_are_taken(sink, odd):
    with flowtrail.transaction(
        odd,
        odd,
        keys=odd,
        attributes=odd,
        flow=odd,
        version=odd,
        deadline=odd,
        value=odd,
        currency=odd,
        attempt=odd,
        retry_of=odd,
        id=odd,
        trace=odd,
        carrier=odd,
        redact=odd,
    ) as order:
        with order.block(odd, odd, odd, odd) as block:
            block.detail(odd, odd=odd)
            block.detail({"a.b": odd})
            block.skip(odd, odd, expected=odd, actual=odd)
            block.fail(odd)
            block.usage(odd=odd)
        with flowtrail.block(odd):
            flowtrail.detail(odd)
        order.key(odd=odd)
        order.attribute(odd=odd)
        order.link(odd, odd, parent=odd)
        order.inject(handover=False)
        order.filter(odd, odd)
        order.cancel(odd, predicate=odd)
        order.fail(odd)
    flowtrail.flow(odd, odd, stages=odd, blocks=odd, deadline=odd)
    flowtrail.resume(odd)
    flowtrail.flush(odd)

    assert {"transaction", "block", "end"} <= {record["kind"] for record in sink.take()}


def test_facts_of_a_transaction_are_told(sink):
    with flowtrail.transaction(
        "order",
        4711,
        keys={"customer": 9, "none": None},
        version="3",
        deadline=60,
        value=129.9,
        currency="EUR",
        attempt=2,
        retry_of="1" * 32,
        id="018f0000-0000-7000-8000-000000000001",
    ) as order:
        order.key(region="eu")
        order.attribute({"address.country": "DE"})
        child = flowtrail.transaction("line", "1")
        order.link("split", child)
        order.link("merge", parent="2" * 32)

    opened, *added, first, second, end = sink.take()
    assert opened["id"] == "018f0000000070008000000000000001"
    assert (opened["object_id"], opened["keys"], opened["value"]) == ("4711", {"customer": "9"}, "129.9")
    assert (opened["attempt"], opened["retry_of"], opened["version"]) == (2, "1" * 32, "3")
    assert opened["deadline_at"] - opened["created_at"] == pytest.approx(60_000_000, abs=1_000_000)
    assert added[0]["keys"] == {"region": "eu"}
    assert added[1]["attributes"] == {"address.country": "DE"}
    assert (first["parent"], first["child"], first["relation"]) == (order.id, child.id, "split")
    assert (second["parent"], second["child"], second["relation"]) == ("2" * 32, order.id, "merge")
    assert end["attempt"] == 2


def test_a_flow_is_declared(sink):
    flowtrail.flow(
        "shop-to-erp",
        "3",
        stages=["ingress", "egress"],
        blocks=["validate", ("map", "processing"), {"name": "deliver", "stage": "egress", "workers": 2}],
        deadline=86_400,
    )

    (told,) = sink.take()
    assert told["blocks"] == [
        {"name": "validate"},
        {"name": "map", "stage": "processing"},
        {"name": "deliver", "stage": "egress", "workers": 2},
    ]
    assert (told["stages"], told["deadline_s"]) == (["ingress", "egress"], 86_400)


def test_usage_worker_and_waiting_are_told(sink):
    flowtrail.init(flow="shop-to-erp", worker="mapper-1", sink=sink)
    with flowtrail.transaction("order", "4711") as order:
        with order.block("map", queued_at="2026-11-23T10:00:00Z") as block:
            block.usage(cpu_seconds=0.3, bytes_in=2048)
            block.usage(cpu_seconds=0.5)
        with order.block("send", worker="sender", queued_at=1_795_428_000_123):
            pass

    first, second = sink.of("block")
    assert first["usage"] == {"cpu_seconds": 0.5, "bytes_in": 2048}
    assert (first["worker"], first["queued_at"]) == ("mapper-1", 1_795_428_000_000_000)
    assert (second["worker"], second["queued_at"]) == ("sender", 1_795_428_000_123_000)


def test_a_fork_numbers_its_blocks_anew(sink):
    reading, writing = os.pipe()
    with flowtrail.transaction("order", "4711") as order:
        child = os.fork()
        ids = [order.block("map").id for _ in range(100)]
        if child == 0:
            os.write(writing, " ".join(ids).encode())
            os._exit(0)
    os.waitpid(child, 0)
    others = os.read(reading, 10_000).decode().split()

    assert len(others) == 100
    assert not set(ids) & set(others)


def test_blocks_that_are_never_left_do_not_bring_the_host_down(sink):
    with flowtrail.transaction("order", "4711") as order:
        for _ in range(300_000):
            order.block("map").__enter__()
        sink.items.clear()

    del order
    assert sink.of("end")
