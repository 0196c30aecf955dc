"""What was last told of an object, column by column, when rows come in any order.

Facts are joined by their instants, so a text that stays the same need not be said again, until an older row says
otherwise: then the instant since which it is known must be said as well, or the older one would win.
"""

from collections.abc import Iterator, Sequence


class Latest:
    """The latest text of each column, its instant, and the latest instant it was said with. Takes about 400 bytes and
    its texts."""

    __slots__ = ("_at", "_said", "_texts")

    def __init__(self, columns: int) -> None:
        self._texts: list[str | None] = [""] * columns
        """Empty: nothing was told; None: several at the same instant, which all were said."""
        self._at = [0] * columns
        self._said = [0] * columns

    def told(self, instant: int, texts: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
        """What is to be said because of a row: (instant, texts), an empty text says nothing.

        Of the same rows in whatever order, what is said last of a column by its instant is the same.
        """
        again: dict[int, list[str]] = {}
        is_said = False
        for index, text in enumerate(texts):
            known, at = self._texts[index], self._at[index]
            if text and text != known:
                is_said = True
                if known and self._said[index] < instant <= at:
                    again.setdefault(at, [""] * len(texts))[index] = known
                    self._said[index] = at
                if instant >= at:
                    self._texts[index] = text if instant > at else None
                    self._at[index] = instant
            elif text and instant > at:
                self._at[index] = instant
        yield from again.items()
        if is_said:
            for index, text in enumerate(texts):
                if text and text == self._texts[index]:
                    self._said[index] = max(self._said[index], instant)
            yield instant, texts
