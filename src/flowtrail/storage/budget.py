"""The time that a page, or a total, may take: whoever walks an index looks here between two slices."""

from typing import Final

from flowtrail.model.clock import monotonic_s

_TELLING: Final = 0.1
"""The share of its budget after which what a count has seen tells how long the rest will take."""


class Budget:
    """Runs from when it is made; without seconds it never runs out."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._began = monotonic_s()

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return self._seconds is not None and monotonic_s() - self._began > self._seconds

    def hopeless(self, done: int, whole: int | None) -> bool:
        """Whether the time is over, or will be before `whole` candidates are looked at, `done` of which are: then the
        rest of it is spared. None: nobody knows how many there are."""
        if self._seconds is None:
            return False
        took = monotonic_s() - self._began
        if whole is None or not done or took < self._seconds * _TELLING:
            return took > self._seconds
        return took * max(whole, done) / done > self._seconds
