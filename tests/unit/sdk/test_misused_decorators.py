"""Decorators on whatever they are put: what is meant works, and nothing else raises into the host."""

import logging
import re

import pytest

import flowtrail


class Anything:
    pass


def test_a_decorator_without_a_name_takes_the_functions_with_and_without_parentheses(sink):
    @flowtrail.block()
    def weigh():
        return 1

    @flowtrail.block(stage="egress")
    def pack():
        return 2

    with flowtrail.transaction("order", "4711"):
        assert (weigh(), pack()) == (1, 2)

    told = [record for record in sink.take() if record["kind"] == "block"]
    assert [(record["block"], record.get("stage")) for record in told] == [
        ("weigh", None),
        ("pack", "egress"),
    ]


def test_static_and_class_methods_are_decorated_on_either_side(sink):
    class Shop:
        @flowtrail.block("outer")
        @staticmethod
        def outer(number):
            return number

        @staticmethod
        @flowtrail.block("inner")
        def inner(number):
            return number

        @flowtrail.block
        @classmethod
        def of_class(cls, number):
            return cls, number

        @flowtrail.tracked("line", "number")
        @classmethod
        def line(cls, number):
            return cls, number

    with flowtrail.transaction("order", "4711"):
        assert Shop.outer(1) == Shop().outer(1) == Shop.inner(1) == 1
        assert Shop.of_class(2) == Shop().of_class(2) == Shop.line(2) == (Shop, 2)

    told = sink.take()
    names = [record["block"] for record in told if record["kind"] == "block"]
    assert names == ["outer", "outer", "inner", "of_class", "of_class"]
    assert [record["object_id"] for record in told if record["kind"] == "transaction"] == ["4711", "2"]


def test_what_a_tracked_function_cannot_tell_is_said_and_the_function_is_called(sink, caplog):
    @flowtrail.tracked("order", "numbr")
    def handle(number, country="DE"):
        return number, country

    with caplog.at_level(logging.WARNING, "flowtrail"):
        assert handle(1) == handle(number=1) == (1, "DE")

    (said,) = [record.getMessage() for record in caplog.records]
    assert re.search(r"handle has no argument 'numbr', .* it has number, country ", said)
    assert {record["object_id"] for record in sink.take() if record["kind"] == "transaction"} == {"(untold)"}


def test_what_tracked_does_not_take_is_refused_where_it_stands():
    with pytest.raises(TypeError, match=r"'klass'; it takes attributes, flow"):
        flowtrail.tracked("order", "number", klass="x")


def test_what_is_no_function_stays_as_it_is_when_decorated(sink, caplog):
    prop = property(id)
    with caplog.at_level(logging.WARNING, "flowtrail"):
        assert flowtrail.block(Anything) is Anything
        assert flowtrail.tracked("order", "number")(Anything) is Anything
        assert flowtrail.block(prop) is prop
        assert flowtrail.block("map")(prop) is prop

    assert [record.getMessage().split(" was ")[0] for record in caplog.records] == ["a class", "property"]
