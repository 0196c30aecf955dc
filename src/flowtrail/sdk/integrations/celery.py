"""Tasks of Celery: each is a block of the transaction it was sent from, or a transaction of its own.

    publisher ── before_task_publish: headers ──► broker ──► worker: task_prerun … task_postrun
                                                                     resume, or begin

A task that is sent again by `retry` goes on with its transaction, as its next attempt.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from celery import signals

from flowtrail.model import clock
from flowtrail.model.instants import format_instant
from flowtrail.sdk.ambient import current_transaction
from flowtrail.sdk.announcing import flow_or_unnamed, known_id
from flowtrail.sdk.api import flush
from flowtrail.sdk.api import transaction as new_transaction
from flowtrail.sdk.blocks import Block
from flowtrail.sdk.handing import hand_on, take_over
from flowtrail.sdk.identity import Identity
from flowtrail.sdk.integrations.guarding import check_callable, guarded
from flowtrail.sdk.producer import producer
from flowtrail.sdk.transactions import Transaction

Identify = Callable[[Any, tuple[Any, ...], dict[str, Any]], Iterable[Any] | None]

TASK: Final = "task"
"""What kind of object a task is where nobody says it."""
_FLUSH_S: Final = 1.0
QUEUED: Final = "flowtrail-queued-at"
"""The header that tells when a task was sent."""


class Tasks:
    """Records every task of this process, from `connect` until `disconnect`.

    A task that was sent from within a transaction is a block of it, which waits from when it was sent. Every other
    is a transaction of its own: a `task` by its id, or what `identify(task, args, kwargs)` says, `(object type,
    object id)` or `(object type, object id, keys)`; where that says None, or raises, it is not recorded. The block
    is called by the task's name. One that is revoked, or expires before it is run, is skipped by `celery.revoked` or
    `celery.expired`, and cancels the transaction where an attempt before it left that to be ended. With `inject=False` no task that is sent from here carries its transaction on.
    """

    def __init__(
        self,
        *,
        identify: Identify | None = None,
        flow: str | None = None,
        stage: str | None = None,
        inject: bool = True,
    ) -> None:
        check_callable("identify", identify)
        self._identify = identify
        self._flow = flow
        self._stage = stage
        self._inject = inject
        # By task id; a list, since a task that is run in place may run itself again.
        self._running: dict[str, list[_Running]] = {}
        self._signals = (
            (signals.before_task_publish, self._publish),
            (signals.task_prerun, self._begin),
            (signals.task_failure, self._fail),
            (signals.task_retry, self._retry),
            (signals.task_postrun, self._end),
            (signals.task_revoked, self._revoke),
            (signals.worker_process_shutdown, self._leave),
        )

    def connect(self) -> "Tasks":
        """Listen to Celery from now on."""
        for signal, receiver in self._signals:
            signal.connect(receiver, weak=False, dispatch_uid=id(self))
        return self

    def disconnect(self) -> None:
        """Listen no longer."""
        for signal, _ in self._signals:
            signal.disconnect(dispatch_uid=id(self))

    @guarded
    def _publish(self, headers: dict[str, Any] | None = None, **_: Any) -> None:
        if headers is None or not self._inject:
            return
        headers[QUEUED] = format_instant(clock.now_us())
        again = self._innermost(str(headers.get("id")))
        if again is not None:  # by `retry`, or replaced by itself; whatever its own code is in at that moment
            again.send_on(headers)
        elif (transaction := current_transaction()) is not None:
            transaction.inject(headers)

    @guarded
    def _begin(self, task_id: str, task: Any, args: Any = (), kwargs: Any = None, **_: Any) -> None:
        running = self._open(task_id, task, tuple(args or ()), dict(kwargs or {}))
        if running is None:
            return
        self._running.setdefault(task_id, []).append(running)
        running.enter(task, self._stage)

    def _open(self, task_id: str, task: Any, args: Any, kwargs: Any) -> "_Running | None":
        current = current_transaction()
        if current is not None:  # run in place, where it is called
            return _Running(current, is_inside=True)
        identity = self._carried_by(task.request)
        if identity is not None:
            return _Running(Transaction(identity))
        said = (TASK, task_id) if self._identify is None else self._identify(task, args, kwargs)
        if said is None:
            return None
        kind, object_id, *keys = said
        known = keys[0] if keys else None
        # Delivered twice, or run again in place, it is the same one.
        own = known_id(task_id)
        return _Running(new_transaction(kind, object_id, keys=known, flow=self._flow, id=own))

    def _carried_by(self, request: Any) -> Identity | None:
        flow = flow_or_unnamed(self._flow or producer.flow)
        return take_over(request, lambda carrier, name: getattr(carrier, name, None), flow)

    @guarded
    def _fail(self, task_id: str, exception: BaseException, **_: Any) -> None:
        running = self._innermost(task_id)
        if running is not None:
            running.fail(exception)

    @guarded
    def _retry(self, request: Any, reason: Any, **_: Any) -> None:
        running = self._innermost(request.id)
        if running is not None:
            cause = getattr(reason, "exc", None)
            running.block.fail(cause if isinstance(cause, BaseException) else "sent again")

    @guarded
    def _end(self, task_id: str, state: str | None = None, **_: Any) -> None:
        held = self._running.get(task_id)
        if not held:
            return
        running = held.pop()
        if not held:
            del self._running[task_id]
        if state == "REJECTED":
            running.fail("rejected")
        elif state == "IGNORED":
            running.ignore()
        if state == "RETRY" or (state == "IGNORED" and running.is_sent_on):
            running.go_on()
        running.leave()

    @guarded
    def _revoke(
        self, sender: Any, request: Any, *, terminated: bool = False, expired: bool = False, **_: Any
    ) -> None:
        # Heard where the worker decides that, which need not be where the task runs, or would have.
        identity = self._carried_by(request)
        if identity is None:
            return
        transaction = Transaction(identity).start()
        predicate = "celery.expired" if expired else "celery.revoked"
        if not terminated:
            count_attempts(transaction, sender, request)
            block = block_of(transaction, sender, request, self._stage).start()
            block.skip(predicate)
            block.end()
        transaction.cancel(predicate=predicate)
        transaction.end()

    @guarded
    def _leave(self, **_: Any) -> None:
        # A pool's processes end without telling Python.
        flush(_FLUSH_S)

    def _innermost(self, task_id: str) -> "_Running | None":
        held = self._running.get(task_id)
        return held[-1] if held else None


class _Running:
    """A task at work."""

    def __init__(self, transaction: Transaction, *, is_inside: bool = False) -> None:
        self.transaction = transaction
        self.is_inside = is_inside
        self.is_sent_on = False
        self.block: Any = None

    def enter(self, task: Any, stage: str | None) -> None:
        if not self.is_inside:
            self.transaction.__enter__()
            count_attempts(self.transaction, task, task.request)
        self.block = block_of(self.transaction, task, task.request, stage)
        self.block.__enter__()

    def fail(self, why: Any) -> None:
        self.block.fail(why)
        if not self.is_inside:
            self.transaction.fail(why)

    def ignore(self) -> None:
        self.block.skip("celery.ignored")
        if not self.is_inside:
            self.transaction.filter("celery.ignored")

    def send_on(self, headers: dict[str, Any]) -> None:
        """Let the next attempt go on beside this one, and end what this one began: if it is sent, which shows later."""
        self.is_sent_on = True
        handover = not self.is_inside and self.transaction.identity.ends_here
        hand_on(self.transaction, headers, handover=handover, set=None, after=self.block)

    def go_on(self) -> None:
        if not self.is_inside:
            self.transaction.inject(handover=True)

    def leave(self) -> None:
        self.block.__exit__(None, None, None)
        if not self.is_inside:
            self.transaction.__exit__(None, None, None)


def count_attempts(transaction: Transaction, task: Any, request: Any) -> None:
    """Celery counts those that failed, here and elsewhere."""
    if request.retries:
        transaction.leave_block(task.name, request.retries, failed=True)


def block_of(transaction: Transaction, task: Any, request: Any, stage: str | None) -> Block:
    """The block that a task is, which waits from when it was sent."""
    return transaction.block(task.name, stage, None, getattr(request, QUEUED, None))


def connect(
    *,
    identify: Identify | None = None,
    flow: str | None = None,
    stage: str | None = None,
    inject: bool = True,
) -> Tasks:
    """Record every task that this process sends and runs; see `Tasks`. Call it where the Celery app is made."""
    return Tasks(identify=identify, flow=flow, stage=stage, inject=inject).connect()
