"""A transaction's life on a terminal: `projection.life` in colours."""

from typing import Any, Final

from rich.text import Text

from flowtrail.cli.console import answers
from flowtrail.cli.listing import COLOURS
from flowtrail.projection import life as told

_STYLES: Final = {
    **COLOURS,
    "succeeded": "green",
    "skipped": "yellow",
    "running": "cyan",
    told.QUIET: "dim",
    told.STRONG: "bold",
    told.WARNING: "yellow",
}

Json = dict[str, Any]


def life(found: Json, lineage: Json) -> list[Text]:
    """The lines that tell a transaction's life. `found` and `lineage` are the API's answers."""
    return [
        Text.assemble(*((piece.text, _style(piece.style)) for piece in line))
        for line in told.life(found, lineage, answers.width)
    ]


def _style(words: str) -> str:
    return " ".join(_STYLES.get(word, "dim") for word in words.split())
