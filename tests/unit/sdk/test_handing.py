"""From one process to another in headers of any form: by the specifications, and whatever others put there."""

# ruff: noqa: PT012 -- what is raised inside, and what is seen of it, is the subject

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowtrail
from flowtrail.sdk.carriers import read_headers
from flowtrail.sdk.tracecontext import read, write

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def test_a_handed_over_transaction_goes_on_elsewhere_and_ends_there(sink):
    with flowtrail.transaction("order", "4711/ä,x", attempt=2, version="3") as order:
        with order.block("validate"):
            pass
        headers = order.inject(handover=True)
    leaving = sink.take()
    assert [record["kind"] for record in leaving] == ["transaction", "block"]

    with flowtrail.resume(headers) as resumed:
        assert (resumed.id, resumed.attempt, resumed.flow) == (order.id, 2, "shop-to-erp")
        assert (resumed.object_type, resumed.object_id) == ("order", "4711/ä,x")
        with resumed.block("deliver"):
            pass
        resumed.attribute(total=12)

    block, added, end = sink.take()
    assert block["transaction"] == added["id"] == end["transaction"] == order.id
    assert (added["object_id"], added["version"], added["attributes"]) == ("4711/ä,x", "3", {"total": 12})
    assert (end["outcome"], end["attempt"]) == ("delivered", 2)


def test_a_call_runs_inside_its_block_and_a_handover_goes_on_beside_it(sink):
    with (
        flowtrail.transaction("order", "4711") as order,
        order.block("outer") as outer,
        order.block("call") as call,
    ):
        called = order.inject()
        handed = order.inject(handover=True)
    sink.take()

    with flowtrail.resume(called) as resumed, resumed.block("callee"):
        pass
    (callee,) = sink.take()
    assert callee["parent"] == call.id
    with flowtrail.resume(handed) as resumed, resumed.block("next"):
        pass
    following, end = sink.take()
    assert following["parent"] == outer.id
    assert end["kind"] == "end"


def test_a_failure_after_the_handover_does_not_end_the_transaction(sink):
    with pytest.raises(KeyError), flowtrail.transaction("order", "4711") as order, order.block("send"):
        order.inject(handover=True)
        raise KeyError

    assert [record["kind"] for record in sink.take()] == ["transaction", "block"]


@pytest.mark.parametrize(
    "carrier",
    [
        {},
        {"Traceparent": "old", "other": "1"},
        [],
        [("traceparent", b"old"), ("other", b"1")],
        [(b"traceparent", b"old"), (b"other", b"1")],
    ],
    ids=["map", "map with an old one", "Kafka", "Kafka with an old one", "ASGI"],
)
def test_every_form_of_headers_carries_it(sink, carrier):
    order = flowtrail.transaction("order", "4711")
    with order:
        assert order.inject(carrier) is carrier

    assert flowtrail.resume(carrier).id == order.id
    assert all(len(each) == 1 for each in read_headers(carrier, None))
    if isinstance(carrier, list):
        assert all(isinstance(value, bytes) for _, value in carrier)


def test_a_carrier_of_ones_own_is_read_and_written_by_functions(sink):
    class Message:
        def __init__(self):
            self.properties = []

    message = Message()
    with flowtrail.transaction("order", "4711") as order:
        order.inject(message, set=lambda carrier, name, value: carrier.properties.append((name, value)))

    resumed = flowtrail.resume(message, get=lambda carrier, name: dict(carrier.properties).get(name))
    assert resumed.id == order.id


def test_headers_of_wsgi_are_found(sink):
    with flowtrail.transaction("order", "4711") as order:
        headers = order.inject()
    environ = {f"HTTP_{name.upper()}": value for name, value in headers.items()}

    assert flowtrail.resume(environ).id == order.id


def test_the_trace_is_kept_as_a_fact_and_travels_on_with_what_others_said(sink):
    incoming = {
        "traceparent": f"00-{TRACE}-{SPAN}-00",
        "tracestate": "vendor=abc,other=1",
        "baggage": "user=alice;prop=1,region=eu",
    }
    with flowtrail.transaction("order", "4711", carrier=incoming) as order:
        outgoing = order.inject()

    opened, _ = sink.take()
    assert opened["trace"] == TRACE
    assert outgoing["traceparent"].startswith(f"00-{TRACE}-")
    assert outgoing["traceparent"].endswith("-00")
    assert outgoing["tracestate"].startswith("flowtrail=1-")
    assert outgoing["tracestate"].endswith(",vendor=abc,other=1")
    assert outgoing["baggage"].endswith("user=alice;prop=1,region=eu")
    resumed = flowtrail.resume(outgoing)
    assert (resumed.id, resumed.trace) == (order.id, TRACE)


@pytest.mark.parametrize(
    "carrier",
    [
        {"Baggage": "user=bob,team=x;p=1", "x": "y"},
        [("baggage", b"user=bob"), ("baggage", b"team=x;p=1"), ("x", b"y")],
    ],
)
def test_baggage_that_stands_in_a_carrier_stays_there(sink, carrier):
    incoming = {"traceparent": f"00-{TRACE}-{SPAN}-01", "baggage": "user=alice,region=eu"}
    with flowtrail.transaction("order", "4711", carrier=incoming) as order:
        order.inject(carrier)
        order.inject(carrier)

    (baggage,) = [value for name, value in dict(carrier).items() if name.lower() == "baggage"]
    text = baggage.decode() if isinstance(baggage, bytes) else baggage
    assert text.endswith("flowtrail.object=4711,user=bob,team=x;p=1,region=eu")
    assert text.count("flowtrail.object") == 1
    assert flowtrail.resume(carrier).object_id == "4711"


def test_baggage_stays_in_a_carrier_that_is_set_by_a_function(sink):
    carrier = {"baggage": "user=bob"}
    with flowtrail.transaction("order", "4711") as order:
        order.inject(carrier, set=lambda headers, name, value: headers.__setitem__(name, value))

    assert carrier["baggage"].endswith("flowtrail.object=4711,user=bob")


@pytest.mark.parametrize(
    "standing",
    [",".join(f"k{number}=v" for number in range(64)), f"a={'x' * 4096},b={'y' * 4091}"],
    ids=["64 members", "8192 characters"],
)
def test_members_of_others_stay_where_there_is_no_room_for_ours(sink, standing):
    carrier = {"baggage": standing}
    with flowtrail.transaction("order", "4711") as order:
        order.inject(carrier)

    assert carrier["baggage"] == standing
    assert flowtrail.resume(carrier).id == order.id


def test_a_trace_that_is_said_goes_on_too(sink):
    incoming = {"traceparent": f"00-{'b' * 32}-{SPAN}-01"}
    with flowtrail.transaction("order", "4711", trace=TRACE, carrier=incoming) as order:
        headers = order.inject()

    assert headers["traceparent"].startswith(f"00-{TRACE}-")
    assert flowtrail.resume(headers).trace == TRACE


@pytest.mark.parametrize("said", ["request 7", "0" * 32, TRACE.upper()])
def test_a_trace_that_w3c_has_no_word_for_stays_a_fact(sink, said):
    with flowtrail.transaction("order", "4711", trace=said) as order:
        headers = order.inject()

    assert headers["traceparent"].startswith(f"00-{order.id}-")
    assert sink.take()[0]["trace"] == said


def test_without_a_trace_the_transaction_is_its_own(sink):
    with flowtrail.transaction("order", "4711") as order, order.block("call") as block:
        headers = order.inject()

    assert headers["traceparent"] == f"00-{order.id}-{block.id}-01"


@pytest.mark.parametrize("id", ["1".zfill(32), "1".ljust(32, "0"), "1".zfill(16).ljust(32, "0")])
def test_whatever_id_was_chosen_is_found_in_the_headers(sink, id):
    headers = flowtrail.transaction("order", "4711", id=id).inject(handover=True)

    assert flowtrail.resume(headers).id == id


def test_headers_without_a_transaction_give_one_that_records_nothing(sink):
    with flowtrail.resume({"traceparent": f"00-{TRACE}-{SPAN}-01"}) as order:
        assert not order.is_known
        with order.block("map") as block:
            block.detail(lines=3)
            block.usage(cpu_seconds=1)
        order.key(customer="C-9")
        order.filter("known")
        assert order.inject() == {}

    assert sink.take() == []


@pytest.mark.parametrize(
    "traceparent",
    [
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"0x-{TRACE}-{SPAN}-01",
        "",
    ],
)
def test_a_traceparent_that_is_none_is_ignored_and_so_is_its_state(traceparent):
    assert read([traceparent], ["a=1"], []).trace is None
    assert read([traceparent], ["a=1"], []).state == ()


def test_versions_to_come_are_read_as_far_as_they_are_known():
    assert read([f"cc-{TRACE}-{SPAN}-01-what-comes"], [], []).trace == TRACE
    assert read([f"cc-{TRACE}-{SPAN}-01"], [], []).trace == TRACE
    assert read([f"cc-{TRACE}-{SPAN}-01.x"], [], []).trace is None
    assert read([f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"], [], []).trace is None


@pytest.mark.parametrize(
    ("state", "members"),
    [
        (["a=1", "b=2"], (("a", "1"), ("b", "2"))),
        ([" a=1 ,, b=2 ,"], (("a", "1"), ("b", "2"))),
        (["a=1,a=2"], ()),
        (["A=1"], ()),
        (["a=1=2"], ()),
        (["1a-b*c/d@e=!~"], (("1a-b*c/d@e", "!~"),)),
        ([",".join(f"k{number}=1" for number in range(33))], ()),
    ],
)
def test_tracestate_is_read_by_its_grammar(state, members):
    assert read([f"00-{TRACE}-{SPAN}-01"], state, []).state == members


def test_tracestate_stays_within_its_bounds_and_ours_comes_first():
    carried = read(
        [f"00-{TRACE}-{SPAN}-01"],
        [",".join([f"long={'x' * 200}"] + [f"k{n}=1234567890" for n in range(31)])],
        [],
    )
    carried.transaction = "1" * 32

    state = write(carried, SPAN)["tracestate"]

    assert state.startswith("flowtrail=")
    assert len(state) <= 512
    assert "long=" not in state
    assert "k0=1234567890" in state


@pytest.mark.parametrize(
    "ours",
    [
        "1-zz",
        f"1-{'0' * 32}-{SPAN}-1-",
        f"2-{TRACE}-{SPAN}-1-",
        f"1-{TRACE}-{SPAN}-0-",
        f"1-{TRACE}-{SPAN}-9999999-",
    ],
)
def test_a_member_of_ours_that_is_none_is_ignored(ours):
    assert read([f"00-{TRACE}-{SPAN}-01"], [f"flowtrail={ours}"], []).transaction is None


anything = (
    st.none()
    | st.integers()
    | st.text(max_size=60)
    | st.binary(max_size=60)
    | st.lists(st.text(max_size=30), max_size=3)
)
names = st.sampled_from(["traceparent", "TraceState", "baggage", b"baggage", "x"]) | anything


@settings(max_examples=150)
@given(
    st.dictionaries(names.filter(lambda name: not isinstance(name, list)), anything)
    | st.lists(st.tuples(names, anything) | st.tuples(names) | anything)
    | anything
)
def test_no_carrier_raises(carrier):
    assert flowtrail.resume(carrier).id
    assert flowtrail.transaction("order", "1", carrier=carrier).id


@settings(max_examples=100)
@given(
    st.text("0123456789abcdef-ghxyzABC", max_size=60) | st.just(f"00-{TRACE}-{SPAN}-01"),
    st.text(max_size=60) | st.text("abc=1,;-* flowtrail0", max_size=80),
    st.text(max_size=60) | st.text("abc=1,;%2fä flowtrail.object", max_size=80),
)
def test_what_was_read_can_be_written_and_read_again(traceparent, tracestate, baggage):
    carried = read([traceparent], [tracestate], [baggage])
    carried.transaction = carried.transaction or "1" * 32

    headers = write(carried, SPAN)

    again = read([headers["traceparent"]], [headers["tracestate"]], [headers.get("baggage", "")])
    assert (again.transaction, again.attempt, again.parent) == (
        carried.transaction,
        carried.attempt,
        carried.parent,
    )
    assert (again.object_id, again.baggage, again.state) == (
        carried.object_id,
        carried.baggage,
        carried.state,
    )


class Refusing:
    def items(self):
        raise OSError("gone")

    def __setitem__(self, name, value):
        raise OSError("gone")


def test_a_carrier_that_fails_does_not_fail_the_host(sink):
    assert not flowtrail.resume(Refusing()).is_known
    with flowtrail.transaction("order", "4711") as order:
        order.inject(Refusing(), handover=True)

    assert [record["kind"] for record in sink.take()] == ["transaction", "end"]
