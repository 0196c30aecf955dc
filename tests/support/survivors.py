"""What a store on SQLite still holds after a power cut, when it is whole and goes on; as a program, for a process
that has never seen the store before."""

import json
import sys
from pathlib import Path

from flowtrail.ledger.check import check
from flowtrail.ledger.pages import read_records
from flowtrail.storage import open_store
from tests.support.journaling import project


def survivors(folder: Path, holder: str = "the next one") -> set[tuple[str | None, int | None]]:
    """(producer, seq) of every record in the journal; the views catch up with it first, and everything is checked."""
    store = open_store(f"sqlite:{folder}", create=False)
    try:
        project(store, holder=holder, patiently=True)
        report = check(store)
        assert report.ok, report.lines()
        assert not any("behind" in note for note in report.notes), report.notes
        return {
            (record.producer, record.seq)
            for writer in store.journal.writers()
            for page in store.journal.iter_pages(writer.ordinal)
            for record in read_records(page)
            if record is not None
        }
    finally:
        store.close()


if __name__ == "__main__":
    print(json.dumps(sorted(survivors(Path(sys.argv[1])), key=str)))
