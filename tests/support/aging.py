"""Views as an older Flowtrail left them."""

import re
import sqlite3
from pathlib import Path

from flowtrail.storage.sqlite.schema import VIEWS_MIGRATIONS


def age_views(path: Path) -> None:
    """Make `views.db` what version 1 wrote: without what came since, and made by its projection."""
    newer = re.findall(r"CREATE (?:UNIQUE )?(TABLE|INDEX) (\w+)", VIEWS_MIGRATIONS[1])
    with sqlite3.connect(path) as connection:
        for kind, name in newer:
            connection.execute(f"DROP {kind} IF EXISTS {name}")
        connection.executescript(
            "CREATE INDEX tx_cohort ON tx (cohort, opened, id);"
            "PRAGMA user_version = 1; UPDATE present SET projection = 1, holder = NULL"
        )
    connection.close()
