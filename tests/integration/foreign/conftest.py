"""A server on each store that keeps what it is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.served import Served, served


@pytest.fixture(params=["sqlite", pytest.param("mongodb", marks=pytest.mark.mongodb)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    url = f"sqlite:{tmp_path}" if request.param == "sqlite" else request.getfixturevalue("mongodb_url")
    with served(url) as running:
        yield running
