"""Settings of OTLP: how they are read, and the attributes they give a meaning."""

import pytest

from flowtrail.intake.foreign.otlp_settings import read_attributes, read_names, trace_settings
from tests.support.spans import opened


def test_settings_are_read_or_refused():
    assert read_names(" a, b ") == {"a", "b"}
    assert read_attributes("order=a.b, order=c,invoice=d")[0].attributes == ("a.b", "c")
    for wrong in ("a,,b", ""):
        with pytest.raises(ValueError):
            read_names(wrong)
    for wrong in ("order", "order=", "=a", ""):
        with pytest.raises(ValueError):
            read_attributes(wrong)


def test_attributes_of_the_operators_choice_hold_objects_and_keys():
    settings = trace_settings(
        None, "order=app.order.id,invoice=app.invoice", "customer=app.customer,customer=cust"
    )
    found = opened({"app.invoice": "I-1", "cust": "C-9"}, settings=settings)

    assert (found.object_type, found.object_id, found.keys) == ("invoice", "I-1", {"customer": "C-9"})
