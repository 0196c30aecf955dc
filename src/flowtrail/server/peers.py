"""The counts of several processes that answer for one server: whichever is asked tells those of all.

Each writes its own into a file of a directory that they share, and reads those of the others; none asks another.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from prometheus_client.core import Metric

LABEL: Final = "process"
PUBLISH_S: Final = 1.0
"""How old the counts of another process may be."""


class Told(msgspec.Struct, array_like=True):
    """A family of metrics in a file."""

    name: str
    meaning: str
    kind: str
    samples: list[tuple[str, dict[str, str], float]]


_decode: Final = msgspec.msgpack.Decoder(list[Told]).decode


class Peers:
    """One process among several; `own` is its number, 0 for the first."""

    def __init__(self, directory: Path, own: int) -> None:
        self._directory = directory
        self._own = own

    def publish(self, families: Iterable[Metric]) -> None:
        """Let the others know. Raises: OSError."""
        path = self._directory / f"{self._own}.metrics"
        # Whoever reads finds the old counts or the new ones, never half of them.
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.msgpack.encode([_told(family) for family in families]))
        fresh.replace(path)

    def together(self, families: Iterable[Metric]) -> list[Metric]:
        """The own families with those of the others, each sample labelled with its process."""
        merged: dict[str, Metric] = {}
        for process, told in [(self._own, [_told(family) for family in families]), *self._others()]:
            for family in told:
                metric = merged.setdefault(family.name, Metric(family.name, family.meaning, family.kind))
                for name, labels, value in family.samples:
                    metric.add_sample(name, {**labels, LABEL: str(process)}, value)
        return list(merged.values())

    def _others(self) -> Iterator[tuple[int, list[Told]]]:
        for path in sorted(self._directory.glob("*.metrics")):
            if path.stem != str(self._own):
                yield int(path.stem), _decode(path.read_bytes())


def _told(family: Metric) -> Told:
    samples = [(sample.name, dict(sample.labels), float(sample.value)) for sample in family.samples]
    return Told(family.name, family.documentation, family.type, samples)
