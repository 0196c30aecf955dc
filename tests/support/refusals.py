"""Calls that must be refused."""

import pytest

from flowtrail.model.errors import Refusal


def refused(call, *args, **kwargs):
    with pytest.raises(Refusal) as error:
        call(*args, **kwargs)
    return error.value
