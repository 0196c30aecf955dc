"""Structs whose attributes are set as those of any object."""

import gc

import msgspec

import flowtrail
from flowtrail.sdk.plain import set_plainly


class Reluctant(type(msgspec.Struct)):
    """Kinds of an interpreter that does not let `object` set their attributes."""

    def __setattr__(cls, name, value):
        def refuse(*_):
            raise TypeError("can't apply this __setattr__")

        super().__setattr__(name, refuse)


def test_a_kind_is_set_by_object_itself():
    class Kind(msgspec.Struct, gc=False):
        held: object = None

    set_plainly(Kind())
    one = Kind()
    one.held = ["a", "list"]
    del one.held

    assert Kind.__setattr__ is object.__setattr__
    assert not hasattr(one, "held")


def test_a_kind_that_cannot_be_is_left_as_it_was():
    class Kind(msgspec.Struct, metaclass=Reluctant, gc=False):
        held: object = None

    set_plainly(Kind())
    one = Kind()
    one.held = 1

    assert one.held == 1
    assert Kind.__setattr__ is msgspec.Struct.__setattr__


def test_a_block_holds_what_is_set_and_is_none_of_the_collectors_business(sink):
    with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
        block.detail(lines=[1, 2], text="x" * 1_000)

        assert type(block).__setattr__ is object.__setattr__
        assert not gc.is_tracked(block)
    assert sink.of("block")[0]["details"] == {"lines": [1, 2], "text": "x" * 1_000}
