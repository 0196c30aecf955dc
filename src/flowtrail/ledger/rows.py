"""One stored transaction against its refold: state, header, and the pages it names."""

from collections.abc import Iterator, Sequence

from flowtrail.ledger.recount import Entry, Refold, covers, refold
from flowtrail.ledger.report import page_place
from flowtrail.ledger.runs import Key
from flowtrail.model.errors import Damaged
from flowtrail.projection.state import State
from flowtrail.storage.interface import Position, Stored


def shown(entries: Sequence[Entry], stored: Stored, position: Position) -> list[Entry]:
    """What a stored state must be the fold of: everything up to the position, and what it names beyond.

    A batch may be written in parts, so that a state is ahead of the position for a while.
    """
    named = set(stored.pages)
    return [entry for entry in entries if entry.page in named or covers(position, entry.page)]


def loaded(stored: Stored) -> State:
    """The joined state. Raises: Damaged."""
    try:
        return State.load(stored.facts, stored.pieces or [])
    except Exception as error:
        raise Damaged(f"the stored state cannot be read: {error}") from error


def derived_problems(
    key: Key, due: Sequence[Entry], stored: Stored, folded: Refold, *, is_sifted: bool
) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a row whose state is right: its header, and the pages it names. (code, place, message)."""
    if stored.header != folded.header:
        fields = [
            f"{name} is {getattr(stored.header, name)!r}, its state says {getattr(folded.header, name)!r}"
            for name in stored.header.__struct_fields__
            if getattr(stored.header, name) != getattr(folded.header, name)
        ]
        yield "header", place_of(key), "; ".join(fields)
    there = {entry.page for entry in due}
    if strangers := sorted(set(stored.pages) - there):
        yield "pages", place_of(key), f"it names {places_of(strangers)}, where no record of it stands"
    named = set(stored.pages)
    if named != there:
        # A page whose records changed nothing need not be named.
        own = refold(key[0], [entry for entry in due if entry.page in named], is_sifted=is_sifted)
        if own is None or own.state.encode() != folded.state.encode():
            yield (
                "pages",
                place_of(key),
                f"the pages it names do not make its state: {places_of(stored.pages)}",
            )


def difference_of(expected: State, found: State) -> str:
    """The first few places where two states differ."""
    places = [] if expected.encode_facts() == found.encode_facts() else ["what was announced or how it ended"]
    for key in sorted({*expected.executions, *found.executions}):
        if expected.statements(key) != found.statements(key):
            fact = "differs" if key in found.executions and key in expected.executions else "is missing"
            places.append(
                f"execution {key.hex()} {fact if key in expected.executions else 'is not in the journal'}"
            )
    return "it is no refold of the journal: " + ", ".join(places[:5]) + (" …" if len(places) > 5 else "")


def place_of(key: Key) -> str:
    """A transaction as findings name it."""
    return f"transaction {key[0]}/{key[1].hex()}"


def places_of(pages: Sequence[int]) -> str:
    """The first few of these pages as findings name them."""
    return ", ".join(page_place(page) for page in pages[:5]) + (" …" if len(pages) > 5 else "") or "no page"
