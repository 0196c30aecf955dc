"""Datasets of OpenLineage: each is an object with one transaction, at rest unless somebody works on it.

What a run reads leads to the run, and the run to what it writes, so that the lineage of a dataset's transaction is
the lineage of the data. Which runs read and wrote it are its executions.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from flowtrail.intake.exact import check_text
from flowtrail.intake.fields import an_object, wrong_type
from flowtrail.intake.foreign.events import Statement
from flowtrail.intake.foreign.fitting import fitted
from flowtrail.model.errors import Refusal
from flowtrail.model.ids import derived_execution_id, derived_transaction_id
from flowtrail.model.limits import MAX_USAGE

SOURCE: Final = "openlineage"
"""Part of every derived id."""

_FACETS: Final = {"inputs": "inputFacets", "outputs": "outputFacets"}
_BLOCKS: Final = {"inputs": ("read", "egress", "in"), "outputs": ("write", "ingress", "out")}
"""Of a dataset's flow: the block, its stage, and how its usage is called."""
_STATISTICS: Final = {"inputs": "inputStatistics", "outputs": "outputStatistics"}
_USAGE: Final = {"rowCount": "rows", "size": "bytes", "fileCount": "files"}


def named_datasets(tenant: str, event: Mapping[str, Any], role: str) -> Iterator["Dataset"]:
    """The datasets an event names as its `inputs` or `outputs`. Raises: Refusal."""
    listed = event.get(role)
    if listed is None:
        return
    if not isinstance(listed, list):
        raise wrong_type(listed, role, "an array")
    for index, each in enumerate(listed):
        yield Dataset(tenant, each, f"{role}[{index}]", role)


def at_rest(
    at: int,
    id: str,
    flow: str,
    known_as: tuple[str, str],
    attributes: dict[str, Any],
    places: Mapping[str, str],
) -> list[Statement]:
    """An object, by type and id, that is not on its way: delivered as of now."""
    kind, key = known_as
    opened = {
        "kind": "transaction",
        "at": at,
        "id": id,
        "flow": flow,
        "object_type": kind,
        "object_id": key,
        "attributes": attributes,
    }
    rests = {"kind": "end", "at": at, "transaction": id, "outcome": "delivered", "ended_at": at}
    return [Statement(opened, places), Statement(rests, {})]


class Dataset:
    """A dataset as an event names it; `place` is where."""

    def __init__(self, tenant: str, value: Any, place: str, role: str = "") -> None:
        said = an_object(value, place)
        self.tenant, self.place, self.role = tenant, place, role
        self.namespace, self.name = (required_text(said, name, place) for name in ("namespace", "name"))
        self.facets = _map(said, "facets", place)
        self.used_facets = _map(said, _FACETS[role], place) if role else {}
        self.id = derived_transaction_id(tenant, SOURCE, "", self.namespace, "dataset", self.name).hex()

    def stated(self, at: int, more: Mapping[str, Any] | None = None) -> list[Statement]:
        """That it exists, is so, and rests."""
        attributes = dict(more or {}) | {
            name: fitted(facet, f"{self.place}.facets.{name}") for name, facet in self.facets.items()
        }
        places = {
            "flow": f"{self.place}.namespace",
            "object_id": f"{self.place}.name",
            "attributes": f"{self.place}.facets",
        }
        return at_rest(at, self.id, self.namespace, ("dataset", self.name), attributes, places)

    def linked(self, at: int, other: str, more: Mapping[str, Any] | None = None) -> list[Statement]:
        """The same, and that it leads to the run or the job that reads it, or comes from the one that writes it."""
        parent, child = (self.id, other) if self.role == "inputs" else (other, self.id)
        link = {"kind": "link", "parent": parent, "child": child, "relation": "derive"}
        return [*self.stated(at, more), Statement(link, {})]

    def planned(self, at: int, job: str) -> list[Statement]:
        """The same of a job; what it would do with the dataset, no run having done it, is told of the dataset."""
        facets = _FACETS[self.role]
        told = {
            f"{facets}.{name}": fitted(facet, f"{self.place}.{facets}.{name}")
            for name, facet in self.used_facets.items()
        }
        return self.linked(at, job, told)

    def used(self, at: int, transaction: str, run_id: str, job: str, status: str | None) -> list[Statement]:
        """The same of a run, and how it went, which is known once the run is over."""
        found = self.linked(at, transaction)
        # Whether a run that failed had read something by then, nobody says.
        known = status == "succeeded" or (status == "failed" and self.role == "outputs")
        if known or self.used_facets:
            found.append(self._execution(at, run_id, job, status if known else None))
        return found

    def _execution(self, at: int, run_id: str, job: str, status: str | None) -> Statement:
        block, stage, way = _BLOCKS[self.role]
        own = derived_execution_id(SOURCE, self.tenant, run_id, block, self.namespace, self.name)
        place = f"{self.place}.{_FACETS[self.role]}"
        fields = {
            "kind": "block",
            "at": at,
            "transaction": self.id,
            "id": own.hex(),
            "block": block,
            "stage": stage,
            "status": status,
            "ended_at": None if status is None else at,
            "details": {
                "run": run_id,
                "job": job,
                **{name: fitted(facet, f"{place}.{name}") for name, facet in self.used_facets.items()},
            },
            "usage": self._usage(way),
        }
        return Statement(fields, {"details": place})

    def _usage(self, way: str) -> dict[str, float]:
        statistics = self.used_facets.get(_STATISTICS[self.role])
        found = {}
        for said, name in _USAGE.items():
            number = statistics.get(said) if isinstance(statistics, dict) else None
            if isinstance(number, (int, float)) and not isinstance(number, bool) and 0 <= number <= MAX_USAGE:
                found[f"{name}_{way}"] = number
        return found


def required_text(said: Mapping[str, Any], name: str, place: str) -> str:
    """The text of that name in an object at that place. Raises: Refusal."""
    text = said.get(name)
    if text is None:
        raise Refusal("missing_field", "the field is required", f"{place}.{name}", None, f"{name}: text")
    if not isinstance(text, str):
        raise wrong_type(text, f"{place}.{name}", "text")
    if not text:
        raise Refusal("empty", "the text is empty", f"{place}.{name}", text, "at least one character")
    return check_text(text, f"{place}.{name}")


def _map(said: Mapping[str, Any], name: str, place: str) -> dict[str, Any]:
    value = said.get(name)
    return {} if value is None else an_object(value, f"{place}.{name}")
