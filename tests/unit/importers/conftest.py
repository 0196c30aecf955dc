"""What the tests of importers share."""

import pytest

from flowtrail.intake.importers import ImportOptions
from tests.support.exchange import read_import


@pytest.fixture
def read_xes(tmp_path):
    """Reads a XES log from its text: records, problems and counts."""

    def reading(text, **options):
        file = tmp_path / "log.xes"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_import("xes", file, ImportOptions(**options))

    return reading
