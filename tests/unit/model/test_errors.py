"""How numbers of things are told."""

import pytest

from flowtrail.model.errors import counted


@pytest.mark.parametrize(("number", "told"), [(0, "0 records"), (1, "1 record"), (2, "2 records")])
def test_one_is_told_as_one(number, told):
    assert counted(number, "records") == told
