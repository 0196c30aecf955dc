"""Producer sessions in memory: encoded as the other stores keep them, so that nothing is shared with a caller."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from flowtrail.projection.cells import Cell, add_into
from flowtrail.projection.producers import Heard, decode_session, encode_session, join, moved


@dataclass(slots=True)
class Kept:
    """One session: its row and those of its chunks."""

    body: bytes
    chunks: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Sessions:
    """All sessions of one generation of views, and their tenants' totals."""

    kept: dict[tuple[str, str], Kept] = field(default_factory=dict)
    totals: dict[str, Cell] = field(default_factory=dict)

    def hear(self, all_heard: Sequence[Heard]) -> None:
        """Join what a batch heard."""
        for heard in all_heard:
            kept = self.kept.get((heard.tenant, heard.producer))
            before = None if kept is None else decode_session(kept.body)
            session, chunks = join(before, {} if kept is None else kept.chunks, heard)
            if kept is None:
                kept = self.kept[heard.tenant, heard.producer] = Kept(b"")
            kept.body = encode_session(session)
            for chunk, body in chunks.items():
                if body is None:
                    del kept.chunks[chunk]
                else:
                    kept.chunks[chunk] = body
            add_into(self.totals.setdefault(heard.tenant, {}), moved(before, session))
