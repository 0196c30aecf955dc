"""The width of a bucket, as text."""

from typing import Final

from flowtrail.insight.ranges import MINUTE_US, Step
from flowtrail.model.errors import Refusal
from flowtrail.model.instants import parse_duration

ALLOWED: Final = (
    "whole minutes such as 1m, 15m, 1h, 6h, 1d or 1w; 1mo for months and 1y for years of the calendar"
)


def read_step(text: str | None) -> Step | None:
    """The step; None when absent. Raises: Refusal (400 `invalid_step`)."""
    if not text:
        return None
    if text == "1mo":
        return Step(text, 0, "month")
    if text == "1y":
        return Step(text, 0, "year")
    try:
        us = parse_duration(text, "step")
    except Refusal as refusal:
        raise Refusal("invalid_step", refusal.message, "step", text, ALLOWED) from None
    if us < MINUTE_US or us % MINUTE_US:
        raise Refusal("invalid_step", "a step is a multiple of a minute", "step", text, ALLOWED)
    return Step(text, us)
