"""Spans sent in either encoding of OTLP."""

import pytest

from flowtrail.intake.foreign.otlp import JSON, PROTOBUF
from flowtrail.model.records import BlockRecord
from tests.support.otlp import read, request

BOTH = pytest.mark.parametrize("kind", [PROTOBUF, JSON])


def block(*spans, kind=JSON, **given):
    decoded = read(request(*spans, **given), kind)
    assert decoded.rejected == []
    (found,) = [each for each in decoded.records if isinstance(each, BlockRecord)]
    return found
