"""A transaction as a test sees it: what a server would answer, and its life as text."""

from collections.abc import Callable
from typing import Any

from flowtrail.model.records import BlockRecord
from flowtrail.projection.derive import executions, header_of
from flowtrail.projection.executions import display_key
from flowtrail.projection.life import life, name_of, plain
from flowtrail.projection.shown import shown_execution, shown_transaction
from flowtrail.projection.state import State

TENANT = "default"


class Seen:
    """One transaction at the moment it was asked for. `found` is as `GET /v1/transactions/{id}` answers, without
    progress; the properties are the parts of it that tests ask for most."""

    def __init__(
        self,
        id: bytes,
        state: State,
        order: Callable[[BlockRecord], Any] = display_key,
        lineage: dict[str, list[dict[str, Any]]] | None = None,
    ) -> None:
        header = header_of(state)
        self.opened_us = header.opened_at
        self.lineage = lineage or {"parents": [], "children": []}
        self.found: dict[str, Any] = shown_transaction(TENANT, id, header, state)
        self.found["blocks"] = [
            shown_execution(record, {}) for record in sorted(executions(state), key=order)
        ]

    @property
    def id(self) -> str:
        """The transaction's id in hex."""
        return str(self.found["id"])

    @property
    def object_id(self) -> str | None:
        """The business key."""
        found: str | None = self.found["object_id"]
        return found

    @property
    def object_type(self) -> str | None:
        """What kind of object it is."""
        found: str | None = self.found["object_type"]
        return found

    @property
    def flow(self) -> str | None:
        """The flow it goes through."""
        found: str | None = self.found["flow"]
        return found

    @property
    def status(self) -> str:
        """in_transit, delivered, failed, filtered or cancelled."""
        return str(self.found["status"])

    @property
    def keys(self) -> dict[str, str]:
        """The names it is searched by."""
        return dict(self.found["keys"])

    @property
    def attributes(self) -> dict[str, Any]:
        """The facts that are shown with it."""
        return dict(self.found["attributes"])

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """Its executions in the order they began, as the API shows them."""
        return list(self.found["blocks"])

    @property
    def path(self) -> list[str]:
        """The names of the blocks it went through, in the order they began; one that ran twice stands there twice."""
        return [block["block"] for block in self.found["blocks"]]

    def block(self, name: str) -> dict[str, Any]:
        """The newest execution of a block, as the API shows it. Raises: AssertionError where there is none."""
        found = [block for block in self.blocks if block["block"] == name]
        if not found:
            raise AssertionError(f"{self} was not in a block {name!r}\n\n{self.timeline()}")
        return found[-1]

    def timeline(self) -> str:
        """Its life as `flowtrail show` prints it."""
        return plain(life(self.found, self.lineage))

    def __str__(self) -> str:
        return name_of(self.found)

    def __repr__(self) -> str:
        return f"<{self}, {self.status}: {' > '.join(self.path) or 'in no block'}>"
