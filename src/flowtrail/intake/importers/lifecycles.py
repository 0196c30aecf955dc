"""Steps of activities, as the standard lifecycle model of XES names them, paired into executions.

A start takes the oldest execution of its activity that waits, an end the oldest that runs, else the oldest that waits.
"""

from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from flowtrail.intake.importers.statements import Executed, execution_id
from flowtrail.model.instants import format_instant

_FINAL: Final = {
    "complete": "succeeded",
    "ate_abort": "failed",
    "pi_abort": "failed",
    "withdraw": "skipped",
    "autoskip": "skipped",
    "manualskip": "skipped",
}
_OF_RUNNING: Final = frozenset({"suspend", "resume"})
_OF_WAITING: Final = frozenset({"assign", "reassign"})
_AT_ONCE: Final = frozenset({"", "unknown"})
"""The event is the whole of it."""
MOST_PAUSES: Final = 100
"""Of one execution; further ones are counted."""


class Step(NamedTuple):
    """One event. `position` counts the events of the file from 0."""

    position: int
    activity: str
    transition: str
    instant: int
    worker: str | None
    details: dict[str, Any]


class _Open:
    """The executions of an activity that are under way, oldest first."""

    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Executed] = deque()
        self.running: deque[Executed] = deque()


class Lifecycles:
    """The executions of one trace. What remains without a partner is added to `counts`."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._open: dict[str, _Open] = {}
        self._attempts: Counter[str] = Counter()

    def step(self, transaction: str, step: Step) -> Iterator[Executed]:
        """The execution that this step ends, if it ends one."""
        held = self._open.setdefault(step.activity, _Open())
        transition = step.transition
        if transition == "schedule":
            execution = self._new(transaction, step, "pending")
            execution.queued_at = step.instant
            held.waiting.append(execution)
        elif transition == "start":
            execution = held.waiting.popleft() if held.waiting else self._new(transaction, step, "running")
            execution.status, execution.started_at = "running", step.instant
            held.running.append(execution)
        elif transition in _FINAL:
            yield self._ended(transaction, step, held)
            return
        elif transition in _OF_WAITING:
            execution = self._waiting(transaction, step, held)
        elif transition in _OF_RUNNING:
            execution = self._paused(transaction, step, held)
        else:
            yield self._at_once(transaction, step)
            return
        _learn(execution, step)

    def unfinished(self) -> Iterator[Executed]:
        """The executions that did not end, in the order they came."""
        left = []
        for held in self._open.values():
            if held.running:
                self._counts["starts without an end"] += len(held.running)
            if held.waiting:
                self._counts["schedules without a start"] += len(held.waiting)
            left += [*held.running, *held.waiting]
        yield from sorted(left, key=lambda execution: execution.id)

    def _new(self, transaction: str, step: Step, status: str) -> Executed:
        self._attempts[step.activity] += 1
        attempt = self._attempts[step.activity]
        return Executed(
            transaction,
            execution_id(step.position),
            step.activity,
            status,
            attempt=attempt if attempt > 1 else None,
        )

    def _ended(self, transaction: str, step: Step, held: _Open) -> Executed:
        if held.running and _FINAL[step.transition] != "skipped":
            execution = held.running.popleft()
        elif held.waiting:
            execution = held.waiting.popleft()
        elif held.running:
            execution = held.running.popleft()
        else:
            execution = self._new(transaction, step, "succeeded")
        if execution.started_at is None and _FINAL[step.transition] != "skipped":
            self._counts["ends without a start"] += 1
        execution.status, execution.ended_at, execution.at = _FINAL[step.transition], step.instant, None
        if execution.status == "skipped":
            execution.skip = {"predicate": step.transition}
        _learn(execution, step)
        return execution

    def _waiting(self, transaction: str, step: Step, held: _Open) -> Executed:
        """Somebody was given what waits; without a schedule it waits from now on."""
        given = next((each for each in held.waiting if each.worker is None), None)
        if given is None and held.waiting:
            given = held.waiting[0]
        if given is None:
            self._counts[f"{step.transition} without a schedule"] += 1
            given = self._new(transaction, step, "pending")
            given.queued_at = step.instant
            held.waiting.append(given)
        return given

    def _paused(self, transaction: str, step: Step, held: _Open) -> Executed:
        if not held.running:
            self._counts[f"{step.transition} without a start"] += 1
            execution = held.waiting.popleft() if held.waiting else self._new(transaction, step, "running")
            execution.status = "running"
            held.running.append(execution)
        execution = held.running[0]
        if execution.queued_at is None and execution.started_at is None:
            execution.at = step.instant
        told = (execution.details or {}).get(f"lifecycle:{step.transition}", [])
        if len(told) < MOST_PAUSES:
            step.details[f"lifecycle:{step.transition}"] = [*told, format_instant(step.instant)]
        else:
            self._counts[f"{step.transition} beyond {MOST_PAUSES} of an execution"] += 1
        return execution

    def _at_once(self, transaction: str, step: Step) -> Executed:
        execution = self._new(transaction, step, "succeeded")
        execution.started_at = execution.ended_at = step.instant
        if step.transition not in _AT_ONCE:
            self._counts["steps of another lifecycle model, each an execution of its own"] += 1
            step.details["lifecycle:transition"] = step.transition
        _learn(execution, step)
        return execution


def _learn(execution: Executed, step: Step) -> None:
    """What a step tells of its execution beside the instant; the latest counts."""
    if step.worker is not None:
        execution.worker = step.worker
    if step.details:
        execution.details = {**(execution.details or {}), **step.details}
