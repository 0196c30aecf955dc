"""What flows declare of themselves: it joins a transaction when that is read, never when it is folded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from flowtrail.model.records import BlockDefinition, FlowRecord, decode_record
from flowtrail.storage.interface import Definition, Store

DEFAULT_STAGE = "processing"
"""Where a block belongs that neither its records nor its flow give a stage."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One version of a flow, as declared."""

    flow: str
    version: str
    at: int
    stages: tuple[str, ...]
    blocks: tuple[BlockDefinition, ...]
    deadline_s: float | None

    @property
    def block_stages(self) -> dict[str, str]:
        """The stage of each block that names one."""
        return {block.name: block.stage for block in self.blocks if block.stage}


def declared_flows(store: Store, tenant: str) -> dict[str, list[Declared]]:
    """Every flow's declared versions, the latest declared first."""
    return _versions(store.transactions.definitions(tenant, "flow"))


def _versions(definitions: Iterable[Definition]) -> dict[str, list[Declared]]:
    found: dict[str, list[Declared]] = {}
    for definition in definitions:
        declared = _declared(definition)
        if declared is not None:
            found.setdefault(declared.flow, []).append(declared)
    for versions in found.values():
        versions.sort(key=lambda declared: (declared.at, declared.version), reverse=True)
    return found


def declared_flow(store: Store, tenant: str, flow: str, version: str | None) -> Declared | None:
    """The declaration a transaction goes by: its version's, or the latest where it names none."""
    return declared_among(store.transactions.definitions(tenant, "flow"), flow, version) if flow else None


def declared_among(definitions: Sequence[Definition], flow: str, version: str | None) -> Declared | None:
    """The same, of declarations that were read already; reads those of that flow only."""
    versions = _versions(entry for entry in definitions if entry.name[0] == flow).get(flow, [])
    if version is None:
        return versions[0] if versions else None
    return next((declared for declared in versions if declared.version == version), None)


def _declared(definition: Definition) -> Declared | None:
    try:
        record = decode_record(definition.body)
    except msgspec.MsgspecError:
        return None  # `check` reports it; a transaction is still readable without
    if not isinstance(record, FlowRecord):
        return None
    return Declared(
        record.flow,
        record.version,
        record.at,
        tuple(record.stages or ()),
        tuple(record.blocks or ()),
        record.deadline_s,
    )
