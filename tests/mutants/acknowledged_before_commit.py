"""Producers are told "on disk" before anything is."""

from flowtrail.intake import committer
from flowtrail.intake.receipts import Receipt

_write = committer.Committer._write
_resolve = committer.resolve


def _answer_first(self, group):
    for batch in group:
        accepted = len(batch.decoded.encoded)
        _resolve(batch.future, Receipt(accepted, batch.decoded.rejected, self._journal.durability, None))
    return _write(self, group)


def _resolve_once(future, answer):
    if not future.done():
        _resolve(future, answer)


committer.Committer._write = _answer_first
committer.resolve = _resolve_once
