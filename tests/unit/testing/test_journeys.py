"""Records for tests, told as a journey."""

import math

import pytest

from flowtrail.intake.wire import decode_body
from flowtrail.model.errors import Refusal
from flowtrail.testing import Journey, Recorder

NOW = 1_795_428_000_000_000


def an_order() -> Journey:
    return (
        Journey("order", "4711", flow="shop-to-erp", keys={"customer": "C-9"}, version="3")
        .block("validate", work_s=0.15, stage="ingress")
        .block("map", wait_s=0.75, work_s=0.8, failed=KeyError("sku"))
        .block("notify", skipped="opted_in")
        .pause(1)
        .block("ship", work_s=None)
        .end("failed", reason="no article")
    )


def test_a_server_takes_every_record_of_a_journey():
    decoded = decode_body(an_order().lines(), "application/x-ndjson", None, NOW)

    assert decoded.rejected == []
    assert len(decoded.encoded) == 6


def test_the_same_words_give_the_same_records():
    assert an_order().lines() == an_order().lines()
    assert Journey("order", "4712").id != Journey("order", "4711").id


def test_time_passes_as_it_is_told():
    recorder = Recorder()
    recorder.take(*an_order().records())

    seen = recorder.assert_path("4711", ["validate", "map/failed", "notify/skipped", "ship/running"])

    assert (seen.block("map")["wait_s"], seen.block("map")["work_s"]) == (0.75, 0.8)
    assert seen.block("ship")["started_at"] == "2026-11-23T10:00:02.800000Z"
    assert seen.found["reason"] == "no article"
    assert seen.keys == {"customer": "C-9"}


@pytest.mark.parametrize(
    ("tell", "said"),
    [
        (
            lambda journey: journey.block("map", wait_s=-1),
            "wait_s cannot be -1; allowed: a number of seconds",
        ),
        (lambda journey: journey.block("map", work_s=math.nan), "work_s cannot be nan; allowed: a number"),
        (lambda journey: journey.pause("1"), "seconds cannot be '1'; allowed: a number of seconds"),
    ],
)
def test_times_that_are_none_are_refused_by_their_name(tell, said):
    with pytest.raises(Refusal, match=said):
        tell(Journey("order", "4711"))
