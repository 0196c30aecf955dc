"""Finding the record that cannot be projected: slow, exact, and only when a batch failed.

Every transaction of the batch is folded alone; where that fails, record by record. What fails is set aside with the
reason, everything else is written, and nothing waits. `rebuild` tries again.
"""

from collections.abc import Callable, Sequence

from flowtrail.intake.batches import readable
from flowtrail.model.errors import StoreError
from flowtrail.projection.cells import add_into
from flowtrail.projection.difference import Folded
from flowtrail.projection.state import State
from flowtrail.projection.tally import Tally
from flowtrail.projection.tracked import Tracked
from flowtrail.storage.interface import Batch, Change, Journal, Loaded, SetAside, ViewWriter


def fold_carefully(
    items: Sequence[tuple[str, bytes, list[Folded], list[int]]],
    writer: ViewWriter,
    journal: Journal,
    batch: Batch,
) -> None:
    """Fill `batch` with what can be folded of `items`, and with what cannot as set aside. Raises: StoreError."""
    for tenant, key, records, pages in items:
        loaded = writer.load(tenant, [key]).get(key)
        good, refused = _sift(tenant, loaded, records)
        for record, reason in refused:
            page, leaf = _place(journal, pages, record)
            batch.set_aside.append(SetAside(tenant, page, leaf, key, _because(record, reason)))
        if not good:
            continue
        tally = Tally()
        tracked = _tracked(tenant, loaded)
        difference = tracked.fold(good, tally)
        if difference is None or tracked.header is None:
            continue
        batch.changes.append(
            Change(
                tenant,
                key,
                tracked.locator,
                difference.before,
                tracked.header,
                difference.facts,
                difference.piece,
                difference.terms_gone,
                difference.terms_new,
                pages,
            )
        )
        for place, cell in tally.cells().items():
            add_into(batch.cells.setdefault(place, {}), cell)
    batch.cells = {place: cell for place, cell in batch.cells.items() if cell}


def write_carefully(
    items: Sequence[tuple[str, bytes, list[Folded], list[int]]],
    writer: ViewWriter,
    journal: Journal,
    write: Callable[[Batch], None],
) -> None:
    """Write transaction by transaction what the store refused together; what it still refuses is set aside.

    Raises: StoreError.
    """
    for item in items:
        tenant, key, records, pages = item
        batch = Batch()
        fold_carefully([item], writer, journal, batch)
        try:
            write(batch)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever it is, this transaction waits and the others do not
            refused = [
                SetAside(tenant, *_place(journal, pages, record), key, _because(record, error))
                for record in records
            ]
            write(Batch(set_aside=refused))


def _because(record: Folded, reason: Exception) -> str:
    return f"{type(record).__name__}: {type(reason).__name__}: {reason}"


def _place(journal: Journal, pages: Sequence[int], record: Folded) -> tuple[int, int]:
    """Page and leaf of a record: looked up, since carrying them along would make every record dearer."""
    for number in pages:
        page = journal.page(number)
        for leaf, held in enumerate(() if page is None else readable(page, _passed_over)):
            if held == record:
                return number, leaf
    return pages[0], -1


def _passed_over(*_: object) -> None:
    """It was set aside when its page was sorted."""


def _tracked(tenant: str, loaded: Loaded | None) -> Tracked:
    if loaded is None:
        return Tracked(tenant)
    return Tracked(tenant, State.load(loaded.facts, loaded.pieces), loaded.locator)


def _sift(
    tenant: str, loaded: Loaded | None, records: Sequence[Folded]
) -> tuple[list[Folded], list[tuple[Folded, Exception]]]:
    good: list[Folded] = []
    refused: list[tuple[Folded, Exception]] = []
    if _fails(tenant, loaded, records) is None:
        return list(records), refused
    for record in records:
        reason = _fails(tenant, loaded, [*good, record])
        if reason is None:
            good.append(record)
        else:
            refused.append((record, reason))
    return good, refused


def _fails(tenant: str, loaded: Loaded | None, records: Sequence[Folded]) -> Exception | None:
    try:
        tally = Tally()
        _tracked(tenant, loaded).fold(records, tally)
        tally.cells()
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 -- whatever it is, this record waits and the others do not
        return error
    return None
