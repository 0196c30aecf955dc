"""What a host application calls: the functions behind `import flowtrail`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from msgspec import structs

from flowtrail.model import clock
from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_NAME_CHARS
from flowtrail.sdk import announcing, marks
from flowtrail.sdk.ambient import (
    AmbientBlock,
    P,
    R,
    carry,
    current_block,
    current_transaction,
    detail,
    work_of,
)
from flowtrail.sdk.blocks import Block
from flowtrail.sdk.carriers import Getter
from flowtrail.sdk.counts import Counts
from flowtrail.sdk.handing import read_carried, take_over
from flowtrail.sdk.identity import Identity
from flowtrail.sdk.instants import to_deadline_us
from flowtrail.sdk.looks import class_name
from flowtrail.sdk.notices import forget, warn_once
from flowtrail.sdk.outbox import Sink
from flowtrail.sdk.producer import Unheard, producer
from flowtrail.sdk.redacting import read_redacting
from flowtrail.sdk.settings import read_settings
from flowtrail.sdk.statements import Statement
from flowtrail.sdk.tracecontext import Carried
from flowtrail.sdk.tracking import UNTOLD, Arguments, Told, opened
from flowtrail.sdk.transactions import Transaction
from flowtrail.sdk.unknown import unknown_identity
from flowtrail.sdk.values import Frozen, freeze_name, received

__all__ = [
    "Block",
    "Transaction",
    "block",
    "carry",
    "current_block",
    "current_transaction",
    "detail",
    "flow",
    "flush",
    "init",
    "resume",
    "shutdown",
    "stats",
    "tracked",
    "transaction",
]

FLUSH_S = 10.0


def init(
    flow: str | None = None,
    *,
    version: str | None = None,
    url: str | None = None,
    api_key: str | None = None,
    worker: str | None = None,
    redact_names: Iterable[str] = (),
    redact_values: Iterable[str] = (),
    redact_policies: Sequence[Mapping[str, str]] = (),
    redact_key: str | bytes | None = None,
    redact_with: Callable[[str, Any], Any] | None = None,
    sink: Sink | None = None,
    **delivery: Any,
) -> None:
    """Say where records go, and which flow is meant where a transaction names none. Starts nothing, connects to
    nothing. Called again, it replaces what it said before.

    `worker` is who runs the blocks of this process. `redact_names` are names of values that never leave the process,
    with stars at their ends; `redact_values` patterns over texts, by their names or as regular expressions;
    `redact_policies` what becomes of the fields of a flow, with hashes made by `redact_key`; `redact_with(path,
    value)` has the last word. `delivery` takes every setting of the documentation by its name; what is not given
    comes from the environment. `sink` replaces delivery altogether, for tests.

    Raises: Refusal, TypeError. Nothing else of this package raises into the host.
    """
    for field, value in (("flow", flow), ("version", version), ("worker", worker)):
        _check_name(field, value)
    redacting = read_redacting(redact_names, redact_values, redact_policies, redact_key, redact_with)
    settings = read_settings(url=url, api_key=api_key, **delivery)
    if sink is not None and not all(callable(getattr(sink, name, None)) for name in ("put", "grow", "flush")):
        allowed = "an object with put, grow and flush, as flowtrail.sdk.outbox.Sink has them"
        came = class_name(type(sink))
        raise Refusal(
            "invalid_setting", f"init: sink cannot be used: {came}; allowed: {allowed}", "sink", came, allowed
        )
    chosen = producer.open_sink(settings) if sink is None else sink
    forget()
    producer.finish = redacting.finish
    producer.flow, producer.version, producer.worker = flow or "", version, worker
    before = producer.listen(chosen)
    if (retire := getattr(before, "retire", None)) is not None:
        retire()


def _check_name(field: str, value: Any) -> None:
    allowed = f"text of 1 to {MAX_NAME_CHARS} characters without NUL"
    if value is None:
        return
    if type(value) is not str or not value or freeze_name(value) != value:
        came = received(value)
        message = f"init: {field} cannot be read: {came}; allowed: {allowed}"
        raise Refusal("invalid_setting", message, field, came, allowed)


def transaction(
    object_type: Any,
    object_id: Any,
    *,
    keys: Mapping[str, Any] | None = None,
    attributes: Mapping[str, Any] | None = None,
    flow: str | None = None,
    version: str | None = None,
    deadline: Any = None,
    value: Any = None,
    currency: str | None = None,
    attempt: int | None = None,
    retry_of: Any = None,
    id: Any = None,
    trace: str | None = None,
    carrier: Any = None,
    redact: Iterable[str] = (),
) -> Transaction:
    """One object's way through a flow, to be used with `with`.

    `keys` are names it is searched by; `deadline` an instant, or how long it may take, as `timedelta` or seconds;
    `value` a decimal number with `currency`; `retry_of` another transaction or its id; `id` 32 hex digits or a UUID,
    when it is known elsewhere: the same id with a higher `attempt` is a retry in place. `trace` is the trace it
    belongs to, or `carrier` headers that say so. What `redact` names is never recorded, whatever its value.
    """
    frozen = Frozen()
    amount, unit = announcing.money(value, currency)
    own = announcing.id_or_new(id)
    retried = announcing.retried(retry_of)
    carried = Carried() if carrier is None else read_carried(carrier, None) or Carried()
    facts = {
        "keys": announcing.keys(keys),
        "attributes": announcing.attributes(attributes, frozen),
        "deadline_at": None if deadline is None else to_deadline_us(deadline),
        "value": amount,
        "currency": unit,
        "retry_of": retried if retried != own else None,
    }
    identity = Identity(
        id=own,
        flow=announcing.flow_or_unnamed(flow, producer.flow),
        version=announcing.name_or_none(version if version is not None else producer.version),
        object_type=announcing.name_or_none(object_type) or "(empty)",
        object_id=announcing.object_id(object_id),
        attempt=announcing.attempt(attempt) or 1,
        trace=announcing.name_or_none(trace) or carried.trace,
        hidden=announcing.names(redact),
        facts=facts,
        facts_cost=frozen.cost,
        carried=carried,
    )
    return Transaction(identity)


def resume(carrier: Any, *, get: Getter | None = None, redact: Iterable[str] = ()) -> Transaction:
    """The transaction that `inject` wrote into a carrier of headers, to be used with `with`.

    After a handover, leaving ends it; otherwise that stays with whoever called. Headers that name no transaction
    give one that records nothing, and whose `is_known` is False. `get(carrier, name)` reads where the carrier is
    neither a map nor a list of pairs.
    """
    identity = take_over(carrier, get, producer.flow or announcing.UNNAMED)
    if identity is None:
        warn_once(
            "unknown", "resume found no transaction in the headers it was given; nothing is recorded of it"
        )
        identity = unknown_identity()
    return Transaction(structs.replace(identity, hidden=announcing.names(redact)))


_OF_THE_FUNCTION: Final = object()
"""The default of a block's name: that of the function which is decorated."""


def block(
    name: Any = _OF_THE_FUNCTION, stage: str | None = None, worker: str | None = None, queued_at: Any = None
) -> Any:
    """A block of the current transaction: `with flowtrail.block("map") as block:`.

    As a decorator, `@flowtrail.block("map", stage="processing")`, every call of the function is an execution of the
    block: of functions, coroutines, generators and asynchronous generators alike. `@flowtrail.block` alone takes the
    function's name; so does `@flowtrail.block(stage="processing")`.
    """
    if name is _OF_THE_FUNCTION:
        return lambda function: AmbientBlock(getattr(function, "__name__", UNTOLD), stage, worker, queued_at)(
            function
        )
    if callable(name) or issubclass(type(name), (classmethod, property)):
        return AmbientBlock(getattr(name, "__name__", UNTOLD))(name)
    return AmbientBlock(name, stage, worker, queued_at)


def tracked(
    object_type: str, object_id: Told, *, keys: dict[str, Told] | None = None, **given: Any
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make every call of a function a transaction: `@flowtrail.tracked("order", "order_id")`.

    `object_id`, and each of `keys`, is the name of the argument that says it, or a function of all arguments.
    `given` goes to `transaction` as it is. Raises: TypeError, where it is decorated, for what `transaction` does not
    take.
    """
    known = [name for name in transaction.__kwdefaults__ or () if name != "keys"]
    for name in given:
        if name not in known:
            raise TypeError(
                f"tracked() got an unexpected keyword argument {name!r}; it takes {', '.join(known)}"
            )

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        given_to: Any = function
        called = given_to.__func__ if isinstance(given_to, classmethod) else given_to
        opener = opened(transaction, Arguments(called), object_type, object_id, keys, given)
        return work_of(function, opener)

    return decorate


def flow(
    name: str,
    version: str,
    *,
    stages: Iterable[str] = (),
    blocks: Iterable[Any] = (),
    deadline: Any = None,
) -> None:
    """Declare a version of a flow, so that progress can say how much is still to come.

    `blocks` stand in order: a name, `(name, stage)`, or a mapping with `name`, `stage` and `workers`. `deadline` is
    how long a transaction may take, as `timedelta` or seconds.
    """
    fields = announcing.flow_fields(name, version, stages, blocks, deadline)
    if fields is None:
        return
    producer.put(Statement({**fields, "at": clock.now_us()}, announcing.Declared(fields["flow"])))


def flush(timeout_s: float = FLUSH_S) -> bool:
    """Wait until everything said so far is settled: accepted, refused or given up. Whether it is, in that time."""
    try:
        return producer.sink.flush(timeout_s)
    except Exception:  # noqa: BLE001 -- nothing of ours is raised into the host
        warn_once("flush", "flush waits for a number of seconds, not %s", received(timeout_s))
        return False


def stats() -> Counts:
    """What became of every record: produced = accepted + rejected + dropped + pending, at this instant. And what was
    cut or redacted, by reason."""
    counts = getattr(producer.sink, "counts", Counts)()
    return replace(counts, left_out=marks.counts())


def shutdown(timeout_s: float = FLUSH_S) -> bool:
    """Flush, and record nothing from then on. Not needed at the end of a process, which sees to it."""
    flushed = flush(timeout_s)
    sink = Unheard("flowtrail.shutdown() was called")
    before = producer.listen(sink)
    if (close := getattr(before, "close", None)) is not None:
        # What was not settled in that time is not waited for any longer; the last report is.
        close(1.0 if flushed else 0)
    if (counts := getattr(before, "counts", None)) is not None:
        sink.after(counts())
    return flushed
