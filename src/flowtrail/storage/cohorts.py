"""Which cohorts a condition holds in: what is on flow, type, status and failures alone needs no row."""

from collections.abc import Mapping
from typing import Protocol

from flowtrail.model.conditions import (
    AllOf,
    AnyOf,
    Condition,
    FlowIs,
    HasFailures,
    Not,
    StatusIs,
    TypeIs,
)


class Cohort(Protocol):
    """What transactions are counted by and most often restricted to, as a store keeps it."""

    @property
    def flow(self) -> str: ...
    @property
    def object_type(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def has_failures(self) -> bool: ...


def cohorts_of(condition: Condition, cohorts: Mapping[int, Cohort]) -> frozenset[int] | None:
    """The cohorts in which the condition holds; None when it asks for more than cohorts know."""
    match condition:
        case StatusIs(status):
            return frozenset(number for number, cohort in cohorts.items() if cohort.status == status)
        case FlowIs(flow):
            return frozenset(number for number, cohort in cohorts.items() if cohort.flow == flow)
        case TypeIs(object_type):
            return frozenset(
                number for number, cohort in cohorts.items() if cohort.object_type == object_type
            )
        case HasFailures():
            return frozenset(number for number, cohort in cohorts.items() if cohort.has_failures)
        case Not(part):
            inner = cohorts_of(part, cohorts)
            return None if inner is None else frozenset(cohorts) - inner
        case AllOf(parts) | AnyOf(parts):
            found = frozenset(cohorts) if isinstance(condition, AllOf) else frozenset[int]()
            for part in parts:
                inner = cohorts_of(part, cohorts)
                if inner is None:
                    return None
                found = found & inner if isinstance(condition, AllOf) else found | inner
            return found
        case _:
            return None
