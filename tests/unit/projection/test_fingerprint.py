"""Failures are one problem when the same thing went wrong at the same place, whatever the data."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from flowtrail.model.records import BlockRecord, ExceptionInfo, Frame
from flowtrail.projection.fingerprint import fingerprint
from tests.support.records import BASE, IDS


def failed(*exceptions, block="ship"):
    return BlockRecord(
        IDS[0], BASE, "shop/1", 1, b"\1" * 8, block, "failed", None, BASE, BASE, exceptions=list(exceptions)
    )


def said(message):
    return failed(ExceptionInfo("ValueError", message))


def own(function, **more):
    return Frame(module="shop.map", function=function, in_app=True, **more)


def foreign(function, **more):
    return Frame(module="json.decoder", function=function, **more)


def raised(*frames):
    return failed(ExceptionInfo("ValueError", "no number", frames=list(frames)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("order 4711 is gone", "order 4712 is gone"),
        ("'sku' is missing", "'ean' is missing"),
        ('no "customer"', 'no "article"'),
        ("<Order 1> is closed", "<Invoice of C-9> is closed"),
        ("object at 0x7f3a", "object at 0x1b"),
        ("no 0192e4a0-b1c2-7d3e-8f90-a1b2c3d4e5f6", "no 5b8efff7-9803-8103-d269-b633813fc60c"),
        ("took 1,000.5 s", "took 2 s"),
    ],
)
def test_without_frames_the_message_counts_but_not_what_varies_in_it(one, other):
    assert fingerprint(said(one)) == fingerprint(said(other))
    assert fingerprint(said(one)) != fingerprint(said("something else"))


def test_no_message_is_one_as_well():
    assert fingerprint(said(None)) == fingerprint(said(""))
    assert fingerprint(failed()) != fingerprint(said(None))


def test_block_type_module_and_causes_tell_problems_apart():
    error = ExceptionInfo("KeyError", "'sku'")
    inner = replace(error, cause=ExceptionInfo("OSError", "gone"))
    found = [
        failed(error),
        failed(error, block="map"),
        failed(replace(error, kind="IndexError")),
        failed(replace(error, module="shop.errors")),
        failed(replace(error, cause=error)),
        failed(inner),
        failed(replace(error, cause=inner)),
        failed(error, ExceptionInfo("OSError", "lost")),
    ]

    assert len({fingerprint(each) for each in found}) == len(found)


def test_only_frames_of_the_application_count_where_there_are_any():
    plain = fingerprint(raised(own("article")))

    assert plain == fingerprint(raised(foreign("loads"), own("article"), foreign("decode"), foreign("scan")))
    assert plain != fingerprint(raised(own("customer")))
    assert plain != fingerprint(raised(foreign("decode")))


def test_without_frames_of_the_application_all_count():
    assert fingerprint(raised(foreign("decode"))) != fingerprint(raised(foreign("scan")))
    assert fingerprint(raised(foreign("decode"))) != fingerprint(raised(foreign("decode"), foreign("scan")))


def test_the_innermost_five_frames_count_and_not_who_called_them():
    inner = [own(f"step_{number}") for number in range(5)]

    assert fingerprint(raised(*inner)) == fingerprint(raised(own("job"), own("main"), *inner))
    assert fingerprint(raised(*inner)) != fingerprint(raised(own("other"), *inner[1:]))
    assert fingerprint(raised(*inner)) != fingerprint(raised(*inner[:4], own("other")))


def test_with_frames_neither_message_nor_line_counts():
    one = failed(ExceptionInfo("ValueError", "no number", frames=[own("article", line=81)]))
    other = failed(ExceptionInfo("ValueError", "too long", frames=[own("article", line=95)]))

    assert fingerprint(one) == fingerprint(other)


def test_a_frame_without_a_module_is_known_by_its_file():
    def at(file):
        return raised(Frame(file=file, function="main", in_app=True))

    assert fingerprint(at("import.py")) != fingerprint(at("export.py"))


def test_a_fingerprint_is_sixteen_hex_digits():
    assert fingerprint(said("x")) == fingerprint(said("x"))
    assert len(fingerprint(said("x"))) == 16
    assert int(fingerprint(said("x")), 16) >= 0


_VARYING = re.compile(
    r"""'[^']*'|"[^"]*"|<[^>]*>|\b0x[0-9a-fA-F]+|\b[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,}){0,4}\b|\d+(?:[.:,]\d+)*"""
)
"""What varies, said in the plainest way; of many angles that nobody closes it takes the square of their number."""


@given(st.text(st.sampled_from("<>'\"a1b -0x.:é\n"), max_size=40))
def test_what_varies_in_a_message_is_taken_out_wherever_quotes_and_angles_end(message):
    assert fingerprint(said(message)) == fingerprint(said(_VARYING.sub("*", message)))


def test_a_long_message_of_angles_that_nobody_closes_is_read_in_one_pass():
    began = time.thread_time()

    fingerprint(said("<" * 250_000))

    assert time.thread_time() - began < 2, "it took twenty seconds once"
