"""Values of any kind are copied when they are given, without running any code of theirs."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import sys
import threading
import tracemalloc
import uuid
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowtrail
from flowtrail.sdk.blocks import BLOCK_BYTES
from flowtrail.sdk.parcels import encode_item
from flowtrail.sdk.values import Frozen, freeze, freeze_value, tidy
from flowtrail.testing import recording


class Zone(dt.tzinfo):
    """As pytz and dateutil have them."""

    def utcoffset(self, _):
        raise AssertionError("code of a value ran")


def said(sink, **details):
    with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
        block.detail(**details)
    found = {}
    for record in sink.of("block"):
        found |= record.get("details", {})
    return found


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Address:
    country: str
    token: str = dataclasses.field(default="s3cret", repr=False)


@dataclasses.dataclass(slots=True)
class Line:
    sku: str
    amount: int = 1


class Point(NamedTuple):
    x: int
    y: int


class Text(str):
    __slots__ = ()

    def __str__(self):
        raise AssertionError("ran")

    __repr__ = __len__ = __iter__ = __hash__ = __eq__ = __getitem__ = encode = __str__


class Mapped(dict):
    def __iter__(self):
        raise AssertionError("ran")

    items = keys = values = __len__ = __getitem__ = __repr__ = __iter__


class Hostile:  # noqa: PLW1641 -- none of its methods is ever to be called
    """Everything about it fails, or would wait for ever."""

    lock = threading.Lock()

    def __repr__(self):
        self.lock.acquire()
        self.lock.acquire()
        return ""

    __str__ = __len__ = __iter__ = __hash__ = __bool__ = __int__ = __float__ = __index__ = __reduce__ = (
        __repr__
    )

    def __eq__(self, other):
        raise AssertionError("ran")

    def __getattribute__(self, name):
        raise AssertionError(f"{name} was asked for")

    @property
    def __class__(self):
        raise AssertionError("ran")

    @property
    def __dict__(self):
        raise AssertionError("ran")


@dataclasses.dataclass
class HostileFields(Hostile):
    name: str = "x"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, None),
        (True, True),
        (12, 12),
        ("x" * 65, "x" * 65),
        (float("nan"), "NaN"),
        (float("-inf"), "-inf"),
        (10**30, "1" + "0" * 30),
        (10**6000, "…[cut: an integer of 19932 bits]"),
        ("a\0b\ud800c", "a␀b\ufffdc"),
        (b'{"a":1}', '{"a":1}'),
        (b"\xff\x00", "base64:/wA="),
        (memoryview(b"abc"), "abc"),
        (decimal.Decimal("12.50"), "12.50"),
        (dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2026-01-02T03:04:05+00:00"),
        (
            dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=Zone()),
            "2026-01-02T03:04:05 <tests.unit.sdk.test_values.Zone>",
        ),
        (dt.time(3, 4, tzinfo=Zone()), "03:04:00 <tests.unit.sdk.test_values.Zone>"),
        (dt.time(3, 4), "03:04:00"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.timedelta(minutes=1), 60.0),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Address("DE"), {"country": "DE", "token": "[hidden: not part of its repr]"}),
        (Line("A-1"), {"sku": "A-1", "amount": 1}),
        (Point(1, 2), {"x": 1, "y": 2}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        ({1: "a", "1": "b", None: "c"}, {"1": "a", "1#2": "b", "None": "c"}),
        ({7}, [7]),
        (PurePosixPath("a/b"), "a/b"),
        (Text("abc"), "abc"),
        (Mapped(a=1), {"a": 1}),
        (ValueError("no"), "ValueError('no')"),
        ((each for each in ()), "<generator>"),
        (threading.Lock(), "<_thread.lock>"),
        (ValueError, "<class ValueError>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_told_as_plain_json(sink, value, told):
    assert said(sink, value=value) == {"value": told}


@pytest.mark.parametrize("kind", [Hostile, HostileFields])
def test_no_code_of_a_value_runs(sink, kind):
    hostile = object.__new__(kind)

    found = said(sink, one=hostile, more=[hostile, {"deep": hostile}])

    assert str(found["one"]).startswith(("<", "{"))
    assert len(found["more"]) == 2


def test_what_changes_afterwards_does_not_change_what_was_said(sink):
    lines = [{"sku": "A-1"}]
    with (
        flowtrail.transaction("order", "4711", attributes={"lines": lines}) as order,
        order.block("map") as block,
    ):
        block.detail(lines=lines)
        block.skip("empty", actual=lines)
        lines[0]["sku"] = "changed"
        lines.clear()

    opened, block, _ = sink.take()
    assert (
        opened["attributes"]["lines"]
        == block["details"]["lines"]
        == block["skip"]["actual"]
        == [{"sku": "A-1"}]
    )


def test_a_generator_is_not_consumed(sink):
    numbers = iter([1, 2, 3])

    said(sink, numbers=numbers)

    assert list(numbers) == [1, 2, 3]


def test_what_is_too_much_is_cut_and_marked(sink):
    recursive = []
    recursive.append(recursive)
    found = said(
        sink,
        text="x" * 100_000,
        many=list(range(100_000)),
        names={f"n{number}": number for number in range(100)},
        deep=recursive,
    )

    assert found["text"].endswith("…[cut: 100000 characters]")
    assert len(found["text"]) < 40_000
    assert found["many"][-1] == "…[cut: 99000 more]"
    assert found["names"]["…"] == "…[cut: 37 more]"
    assert len(found["names"]) == 64
    assert "…[cut: a list of 1]" in str(found["deep"])
    assert flowtrail.stats().left_out["cut"] >= 4


def test_more_details_than_a_record_may_have_are_cut_and_marked(sink):
    with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
        for number in range(200):
            block.detail(**{f"n{number}": number})

    (told,) = sink.of("block")
    assert len(told["details"]) == 64
    assert told["details"]["…"] == "[cut: more than 63 details]"


def test_details_that_are_stated_again_are_replaced_and_nothing_is_said_to_be_cut(sink):
    before = flowtrail.stats().left_out
    with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
        for times in (1, 2):
            block.detail({f"n{number}": number * times for number in range(40)})

    (told,) = sink.of("block")
    assert told["details"] == {f"n{number}": number * 2 for number in range(40)}
    assert flowtrail.stats().left_out == before


@pytest.mark.parametrize("numbers", [(64,), (70,), (30, 40), (63, 1, 1), (62, 1), (5, 64, 64)])
def test_of_too_many_details_those_that_fit_are_kept_and_the_loss_is_counted(sink, numbers):
    before = flowtrail.stats().left_out.get("cut", 0)
    with flowtrail.transaction("order", "4711") as order:
        block = order.block("map")
        for call, number in enumerate(numbers):
            block.detail({f"{call} {each}": each for each in range(number)})
        with block:
            pass

    (told,) = sink.of("block")
    details = told["details"]
    given = [f"{call} {each}" for call, number in enumerate(numbers) for each in range(number)]
    if sum(numbers) <= 63:
        assert list(details) == given
    else:
        assert [name for name in details if name != "…"] == given[:63]
        assert "cut" in details["…"]
    assert (flowtrail.stats().left_out.get("cut", 0) > before) == (sum(numbers) > 63)


def test_no_call_makes_more_details_than_a_record_may_have(sink):
    with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
        block.detail({f"n{number:03}": number for number in range(64)}, extra=1)

    aside, _ = sorted(sink.of("block"), key=lambda record: "details" not in record)
    assert len(aside["details"]) == 64


def test_a_large_detail_takes_the_place_of_a_small_one_of_its_name():
    with recording() as recorder:
        with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
            block.detail(payload="short", lines=3)
            block.detail(payload="x" * 5_000)

        details = recorder.get("4711").block("map")["details"]
    assert details == {"payload": "x" * 5_000, "lines": 3}


def test_large_details_leave_as_records_of_their_own(sink):
    with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
        for number in range(10):
            block.detail(**{f"payload{number}": "\x01" * 30_000})

    blocks = sink.of("block")
    found = {}
    for record in blocks:
        found |= record.get("details", {})
    assert set(found) == {f"payload{number}" for number in range(10)}
    assert {record["id"] for record in blocks} == {block.id}


def test_a_record_is_shortened_to_what_leaves_the_process(sink):
    with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
        # Six bytes each: around the size of a record, in steps that are smaller than a stamp.
        for number in range(43_300, 43_700, 40):
            block.detail({"a": "\x01" * 32_000, "b": "\x01" * (number - 32_000)})

    assert [encode_item(item) for item in sink.items if isinstance(encode_item(item), str)] == []


def test_a_mark_tells_how_long_a_text_was_however_often_it_had_to_be_shortened(sink):
    found = said(sink, **{f"t{number}": "\x01" * 4_300 for number in range(15)})

    assert len(found) == 15
    assert {len(text) for text in found.values()} == {512}
    assert {text.lstrip("\x01") for text in found.values()} == {"…[cut: 4300 characters]"}


def test_a_map_that_changes_while_it_is_read_harms_nobody(sink):
    shared = {str(number): number for number in range(50)}
    stop = threading.Event()

    def change():
        number = 0
        while not stop.is_set():
            number += 1
            shared[f"k{number % 500}"] = number
            shared.pop(f"k{(number + 250) % 500}", None)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
            for _ in range(200):
                block.detail(shared=shared)
    finally:
        stop.set()
        changer.join(10)

    assert len(sink.take()) >= 3


def test_the_estimate_of_a_block_is_what_it_holds():
    class Kept:
        def put(self, item):
            kept.append(item)

        def grow(self, item, size):
            item.cost += size

        def flush(self, timeout_s):
            return True

    kept = []
    flowtrail.init(flow="f", sink=Kept())
    with flowtrail.transaction("order", "4711") as order:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1_000, 3_000):
            with order.block("map") as block:
                block.detail(**{name: f"{name}{number:>63}" for name in "abcde"})
        held = (tracemalloc.get_traced_memory()[0] - before) / 2_000
        tracemalloc.stop()

    assert 0.7 * BLOCK_BYTES < held < 1.1 * BLOCK_BYTES
    flowtrail.shutdown(0)


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters(exclude_categories=())) | st.integers(), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(st.characters(exclude_categories=())), json, max_size=70))
def test_whatever_is_frozen_and_tidied_can_be_encoded_and_stays_as_it_is(values):
    frozen = Frozen()

    told = tidy(freeze(values, frozen))

    decoded = msgspec.json.decode(msgspec.json.encode(told))
    assert decoded == told
    assert tidy(freeze_value(told, Frozen())) == told or frozen.cuts
    assert len(told) <= 64


def test_depth_does_not_matter(sink):
    deep = value = []
    for _ in range(sys.getrecursionlimit() * 2):
        value.append([])
        value = value[0]

    assert "cut" in str(said(sink, deep=deep))
