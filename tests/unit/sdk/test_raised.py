"""Exceptions are recorded whole and bounded, and go on up exactly as they were."""

# ruff: noqa: B904, BLE001, TRY301 -- what is raised inside, and what is seen of it, is the subject

import asyncio
import gc
import sys
import traceback
import weakref

import pytest

import flowtrail
from flowtrail.sdk.raised import take_down


def failed(sink, function):
    """The exceptions recorded of a block in which the function raises, and the exception as the host saw it."""
    try:
        with flowtrail.transaction("order", "4711") as order, order.block("map"):
            function()
    except BaseException as raised:
        caught = raised
    (block,) = sink.of("block")
    return block.get("exceptions"), caught


def lines_of(trace):
    return [(frame.f_code, line) for frame, line in traceback.walk_tb(trace)]


def test_the_host_sees_the_exception_and_the_traceback_it_would_see_without_us(sink):
    failure = ValueError("no", 7)
    failure.add_note("a note")

    def raises():
        raise failure

    def plainly():
        raises()

    def recorded():
        with flowtrail.transaction("order", "4711") as order, order.block("map"):
            raises()

    with pytest.raises(ValueError, match="no") as plain:
        plainly()
    expected = [code for code, _ in lines_of(plain.tb)][-1:]
    failure.__traceback__ = None
    with pytest.raises(ValueError, match="no") as caught:
        recorded()

    assert caught.value is failure
    assert [code for code, _ in lines_of(caught.tb)][-1:] == expected
    assert len(lines_of(caught.tb)) == 3
    assert (failure.args, failure.__notes__) == (("no", 7), ["a note"])
    assert failure.__cause__ is failure.__context__ is None


def test_causes_and_contexts_are_told_in_a_chain_unless_suppressed(sink):
    def chained():
        try:
            try:
                raise KeyError("sku")
            except KeyError as error:
                raise LookupError("no article") from error
        except LookupError:
            raise RuntimeError("not mapped")

    def suppressed():
        try:
            raise KeyError("sku")
        except KeyError:
            raise RuntimeError("not mapped") from None

    (told,), _ = failed(sink, chained)
    assert (told["type"], told["message"]) == ("RuntimeError", "not mapped")
    assert (told["cause"]["type"], told["cause"]["cause"]["type"]) == ("LookupError", "KeyError")
    assert told["cause"]["cause"]["message"] == "'sku'"
    (told,), _ = failed(sink, suppressed)
    assert "cause" not in told


def test_chains_that_end_in_themselves_and_endless_ones_end(sink):
    def circular():
        one, other = ValueError("one"), ValueError("other")
        one.__cause__, other.__cause__ = other, one
        raise one

    def long():
        failure = ValueError("0")
        for number in range(100):
            outer = ValueError(str(number))
            outer.__cause__ = failure
            failure = outer
        raise failure

    def endless():
        endless()

    assert failed(sink, circular)[0][0]["cause"]["message"] == "other"
    assert failed(sink, long)[0][0]["message"] == "99"
    (told,), _ = failed(sink, endless)
    assert told["type"] == "RecursionError"
    assert len(told["frames"]) == 65
    assert any("cut" in frame["function"] for frame in told["frames"])


def test_the_members_of_a_group_follow_it(sink):
    def group():
        raise ExceptionGroup("several", [ValueError("one"), ExceptionGroup("inner", [KeyError("two")])])

    told, _ = failed(sink, group)

    assert [each["type"] for each in told] == ["ExceptionGroup", "ValueError", "ExceptionGroup", "KeyError"]


def test_the_members_of_a_group_that_is_a_cause_are_told_too(sink):
    def raised_from():
        shared = KeyError("two")
        try:
            raise ExceptionGroup("several", [ValueError("one"), shared])
        except ExceptionGroup as group:
            shared.__context__ = group  # a circle, as careless code makes it
            raise RuntimeError("the batch failed") from group

    told, _ = failed(sink, raised_from)

    assert [each["type"] for each in told] == ["RuntimeError", "ValueError", "KeyError"]
    assert told[0]["cause"]["type"] == "ExceptionGroup"


def test_what_is_left_out_of_failures_too_large_for_a_record_is_marked_and_counted(sink):
    def member(depth):
        if depth:
            member(depth - 1)
        raise ValueError("\x01" * 8_000)

    def group():
        members = []
        for _ in range(60):
            try:
                member(40)
            except ValueError as raised:
                members.append(raised)
        raise ExceptionGroup("several", members)

    before = flowtrail.stats().left_out.get("cut", 0)
    told, _ = failed(sink, group)

    assert len(told) == 16
    assert [frame["function"] for frame in told[1]["frames"] if "cut" in frame["function"]] == [
        "…[cut: 26 frames]"
    ]
    assert flowtrail.stats().left_out["cut"] >= before + 61 - 16


def test_frames_say_where_it_was_and_whose_code_that_is(sink):
    def through_the_library():
        list(map(int, ["x"]))
        raise AssertionError

    def in_the_library():
        import json

        json.loads("{")

    (told,), _ = failed(sink, through_the_library)
    assert [frame["in_app"] for frame in told["frames"]] == [True, True]
    assert told["frames"][-1]["function"].endswith("through_the_library")
    assert told["frames"][-1]["module"] == __name__
    assert told["frames"][-1]["file"] == __file__
    assert told["frames"][-1]["line"] > 0
    (told,), _ = failed(sink, in_the_library)
    assert [frame["in_app"] for frame in told["frames"]][-1] is False
    assert told["module"] == "json.decoder"


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("not today")


class Wordy(Exception):
    def __str__(self):
        return "x" * 10**6


class Own(Exception):
    def __init__(self, status):
        self.status = status

    def __str__(self):
        return f"status {self.status}"


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (Silent(), "<its __str__ raised RuntimeError>"),
        (Own(500), "status 500"),
        (KeyError("a\0b"), "'a\\x00b'"),
        (ValueError("a\0b"), "a␀b"),
        (ValueError([1]), "[1]"),
        (ValueError(Silent()), "tests.unit.sdk.test_raised.Silent()"),
        (OSError(2, "no such file", "x"), "[Errno 2] no such file: 'x'"),
        (ExceptionGroup("many", [ValueError("a")]), "many (1 sub-exception)"),
        (BaseExceptionGroup("many", [Silent(), KeyError("k")]), "many (2 sub-exceptions)"),
        (
            UnicodeDecodeError("utf-8", b"secret" * 9999 + b"\xff", 59994, 59995, "invalid start byte"),
            "'utf-8' codec can't decode byte 0xff in position 59994: invalid start byte",
        ),
        (
            UnicodeEncodeError("ascii", "secret" * 9999 + "\xe4", 59994, 59995, "not in range"),
            "'ascii' codec can't encode character '\\xe4' in position 59994: not in range",
        ),
        (
            UnicodeTranslateError("a" * 9999, 1, 2, "why"),
            "can't translate character '\\x61' in position 1: why",
        ),
        (SyntaxError("invalid syntax", ("f.py", 1, 3, "a b\n", 1, 4)), "invalid syntax (f.py, line 1)"),
    ],
)
def test_messages_are_told_whatever_they_are_made_of(sink, raised, message):
    def raises():
        raise raised

    (told, *_), caught = failed(sink, raises)

    assert caught is raised
    assert told["message"] == message


def test_long_messages_are_cut(sink):
    def raises():
        raise Wordy

    assert failed(sink, raises)[0][0]["message"].endswith("…[cut: 1000000 characters]")


def test_nothing_of_an_exception_is_kept_alive():
    class Held:
        pass

    def raises(held):
        raise ValueError(held)

    held = Held()
    alive = weakref.ref(held)
    gc.disable()
    try:
        try:
            raises(held)
        except ValueError as error:
            taken = take_down(error)
        del held
        assert alive() is None, "a frame, the exception or its argument is still held"
    finally:
        gc.enable()
    assert taken[0].kind == "ValueError"


def test_what_ends_without_failing_is_no_failure(sink):
    def exits():
        sys.exit(0)

    assert failed(sink, exits)[0] is None
    assert failed(sink, lambda: sys.exit(3))[0][0]["type"] == "SystemExit"


@pytest.mark.parametrize(
    ("raised", "outcome", "status"),
    [
        (KeyboardInterrupt(), "cancelled", "failed"),
        (asyncio.CancelledError(), "cancelled", "failed"),
        (BaseExceptionGroup("nursery", [asyncio.CancelledError()] * 2), "cancelled", "failed"),
        (
            BaseExceptionGroup("", [BaseExceptionGroup("", [GeneratorExit()]), KeyboardInterrupt()]),
            "cancelled",
            "failed",
        ),
        (BaseExceptionGroup("", [asyncio.CancelledError(), ValueError()]), "failed", "failed"),
        (ExceptionGroup("", [ValueError()]), "failed", "failed"),
        (GeneratorExit(), "delivered", "succeeded"),
        (SystemExit(), "delivered", "succeeded"),
        (SystemExit("bad"), "failed", "failed"),
        (MemoryError(), "failed", "failed"),
    ],
)
def test_each_way_out_has_its_outcome(sink, raised, outcome, status):
    with pytest.raises(type(raised)), flowtrail.transaction("order", "4711") as order, order.block("map"):
        raise raised

    _, block, end = sink.take()
    assert (end["outcome"], block["status"]) == (outcome, status)


def test_a_class_that_cannot_be_asked_goes_on_up_as_it_was(sink):
    class Kind(type):
        def __getattribute__(cls, name):
            raise RuntimeError(name)

    class Odd(Exception, metaclass=Kind):
        pass

    failure = Odd("no article")
    try:
        with flowtrail.transaction("order", "4711"):
            raise failure
    except Exception as caught:
        assert caught is failure  # noqa: PT017 -- pytest.raises would ask the class

    assert sink.take()[-1]["reason"].endswith("Odd: no article")


def test_a_failure_without_an_exception_can_be_stated(sink):
    with flowtrail.transaction("order", "4711") as order:
        with order.block("map") as block:
            block.fail("no article")
        with order.block("send") as block:
            block.fail(ConnectionError("gone"))
        order.fail("nothing was sent", predicate="article_known")

    _, first, second, end = sink.take()
    assert first["status"] == "failed"
    assert first["exceptions"] == [{"type": "Failure", "message": "no article"}]
    assert second["exceptions"][0]["type"] == "ConnectionError"
    assert (end["outcome"], end["reason"], end["predicate"]) == (
        "failed",
        "nothing was sent",
        "article_known",
    )
