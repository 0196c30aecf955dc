"""What a check found: every problem with its place, what could not be proven and why, and the heads."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from flowtrail.model.pages import split_number
from flowtrail.storage.interface import SetAside

MOST_FINDINGS: Final = 1_000
"""Kept and told; further ones are counted. One lost page may touch every transaction."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something is wrong. `code` is stable; `where` names the page, leaf, transaction, cell or row."""

    code: str
    where: str
    message: str


@dataclass(frozen=True, slots=True)
class TenantHead:
    """A tenant's HEAD: `kept` is the text to keep elsewhere, for `--expect`."""

    tenant: str
    head: str
    kept: str


@dataclass(slots=True)
class Report:
    """The outcome of `check`. `ok` is False exactly when there are findings; what is merely not proven is a note."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    heads: list[TenantHead] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """What was looked at: writers, pages, records, transactions, terms, cells, links, definitions, producers."""
    found: Counter[str] = field(default_factory=Counter)
    """Findings by code, those beyond `MOST_FINDINGS` too."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.found

    def find(self, code: str, where: str, message: str) -> None:
        """Something is wrong there."""
        self.found[code] += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(code, where, message))

    def note(self, text: str) -> None:
        """Something the reader should know that is no damage."""
        self.notes.append(text)

    def take(self, other: "Report") -> None:
        """Everything that another report of the same check says."""
        self.findings += other.findings[: MOST_FINDINGS - len(self.findings)]
        self.notes += other.notes
        self.counts.update(other.counts)
        self.found.update(other.found)

    def lines(self) -> list[str]:
        """The report as people read it: what is wrong first, then what was looked at, then the heads."""
        told = [f"{finding.code} at {finding.where}: {finding.message}" for finding in self.findings]
        rest = sum(self.found.values()) - len(self.findings)
        if rest:
            told.append(f"… and {rest} more")
        if self.found:
            told.append("wrong: " + ", ".join(f"{kind} × {n}" for kind, n in sorted(self.found.items())))
        told += [
            f"set aside at {page_place(entry.page, entry.leaf)}: {_concerned(entry)}{entry.reason}"
            for entry in self.set_aside
        ]
        told += self.notes
        told.append("looked at " + ", ".join(f"{n} {what}" for what, n in self.counts.items()))
        told += [f"HEAD {head.tenant} {head.kept}" for head in self.heads]
        told.append("ok" if self.ok else "not ok")
        return told

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON tells it."""
        return {
            "ok": self.ok,
            "findings": [
                {"code": each.code, "where": each.where, "message": each.message} for each in self.findings
            ],
            "found": dict(sorted(self.found.items())),
            "set_aside": [
                {
                    "tenant": entry.tenant,
                    "page": page_place(entry.page),
                    "leaf": None if entry.leaf < 0 else entry.leaf,
                    "transaction": entry.transaction.hex() if entry.transaction else None,
                    "reason": entry.reason,
                }
                for entry in self.set_aside
            ],
            "notes": list(self.notes),
            "looked_at": dict(self.counts),
            "heads": [{"tenant": head.tenant, "head": head.head, "kept": head.kept} for head in self.heads],
        }


def page_place(number: int, leaf: int = -1) -> str:
    """A page as writer/sequence, with its leaf when one is meant."""
    writer, sequence = split_number(number)
    return f"page {writer}/{sequence}" + (f" leaf {leaf}" if leaf >= 0 else "")


def _concerned(entry: SetAside) -> str:
    return f"transaction {entry.transaction.hex()}: " if entry.transaction else ""
