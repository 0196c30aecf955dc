"""What is kept of an open transaction's executions, so that an arrival costs what it changes and no more.

All of it follows from the state: `Kept` of the merged executions equals what the same arrivals one by one leave.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from flowtrail.model.records import BlockRecord
from flowtrail.model.statuses import FINAL
from flowtrail.projection.chain import Chain, Emit
from flowtrail.projection.derive import execution_terms
from flowtrail.projection.executions import current_key
from flowtrail.projection.registers import merged_block

Held = Mapping[bytes, BlockRecord | list[BlockRecord]]


def merged(executions: Held) -> Iterable[BlockRecord]:
    """A state's executions, merged, in no particular order."""
    return map(merged_block, executions.values())


class Kept:
    """Chains by parent, terms with how many executions give each, failures, open executions, and the latest."""

    __slots__ = ("_latest", "_latest_key", "chains", "failed", "terms", "unfinished")

    def __init__(self, executions: Held) -> None:
        self.chains: dict[bytes | None, Chain] = {}
        self.terms: Counter[str] | None = None
        self.failed = 0
        self.unfinished: dict[bytes, BlockRecord] = {}
        self._latest: BlockRecord | None = None
        self._latest_key = (-1, b"")
        won: list[str] = []
        for record in merged(executions):
            self.arrive(record, executions, _ignore)
            won.extend(execution_terms(record))
        self.change_terms((), won)

    def chain(self, parent: bytes | None) -> Chain:
        """The executions of one nesting level."""
        chain = self.chains.get(parent)
        if chain is None:
            chain = self.chains[parent] = Chain()
        return chain

    def arrive(self, record: BlockRecord, executions: Held, emit: Emit) -> None:
        """An execution is heard of for the first time; `executions` hold it already, `emit` is told its edges."""
        chain = self.chains.get(record.parent)
        if chain is None:
            chain = self.chains[record.parent] = Chain()
        chain.insert(record, emit)
        self.replace(None, record, executions)

    def replace(self, old: BlockRecord | None, new: BlockRecord, executions: Held) -> None:
        """An execution is known as `new` from now on; `executions` hold it already."""
        if old is not None and old.status == "failed":
            self.failed -= 1
        status = new.status
        if status == "failed":
            self.failed += 1
        if status not in FINAL:
            self.unfinished[new.id] = new
        elif self.unfinished:
            self.unfinished.pop(new.id, None)
        key = current_key(new)
        latest = self._latest
        if latest is None or key >= self._latest_key:
            self._latest, self._latest_key = new, key
        elif latest.id == new.id:
            self._latest = max(merged(executions), key=current_key)
            self._latest_key = current_key(self._latest)

    def current_block(self) -> str | None:
        """Where the transaction stands: as `derive.current_block`."""
        if self.unfinished:
            running = [record for record in self.unfinished.values() if record.status == "running"]
            if running:
                return max(running, key=current_key).block
        return None if self._latest is None else self._latest.block

    def change_terms(self, lost: Iterable[str], won: Iterable[str]) -> None:
        """Executions gave `lost` and give `won`."""
        counts = self.terms or Counter()
        counts.update(won)
        for term in lost:
            counts[term] -= 1
            if not counts[term]:
                del counts[term]
        self.terms = counts or None


def _ignore(sign: int, source: str, target: str, instant: int, time: int) -> None:
    """An edge that is not counted: the state was counted when it was stored."""
