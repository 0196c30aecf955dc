"""What a test asks of what its application recorded. Every failure shows the object's life."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from flowtrail.model.errors import counted
from flowtrail.sdk import context
from flowtrail.sdk.producer import producer
from flowtrail.testing.capture import Capture
from flowtrail.testing.seen import Seen

_MOST_NAMED = 20
"""Transactions that a failure lists by name."""


class Recorder(Capture):
    """Takes the place of delivery, and answers for what was recorded.

    `object` below is an object's id, one of its keys, a transaction's id, or the transaction itself; of several
    that match the newest is meant.
    """

    def __init__(self) -> None:
        super().__init__()
        self.handed_over: set[str] = set()
        self._may_be_unfinished = False

    def __repr__(self) -> str:
        return f"<Recorder: {self._overview()}>"

    # ------------------------------------------------------------------------------------- find

    def find(self, object: Any, *, type: str | None = None, flow: str | None = None) -> Seen | None:
        """The transaction of an object, or None."""
        wanted = str(getattr(object, "id", object))
        for seen in reversed(self.transactions):
            if type not in {None, seen.object_type} or flow not in {None, seen.flow}:
                continue
            if wanted in {seen.object_id, seen.id, *seen.keys.values()}:
                return seen
        return None

    def get(self, object: Any, *, type: str | None = None, flow: str | None = None) -> Seen:
        """The transaction of an object. Raises: AssertionError where nothing was recorded of it."""
        __tracebackhide__ = True
        seen = self.find(object, type=type, flow=flow)
        if seen is None:
            raise AssertionError(f"nothing was recorded of {object!r}; {self._overview()}")
        return seen

    # ------------------------------------------------------------------------------------- assert

    def assert_path(self, object: Any, path: Sequence[str]) -> Seen:
        """It went through these blocks and no others, in this order of their beginnings.

        `name` stands for a block whatever came of it, `name/failed` for one that failed; likewise `succeeded`,
        `skipped` and `running`. A block that ran twice stands there twice.
        """
        __tracebackhide__ = True
        if isinstance(path, str):
            raise TypeError(f"a path is a list of names of blocks, such as [{path!r}]")
        seen = self.get(object)
        blocks = seen.blocks
        if len(path) != len(blocks) or not all(map(_is, blocks, path)):
            shown = [
                block["block"]
                if _is(block, told) or "/" not in told
                else f"{block['block']}/{block['status']}"
                for block, told in zip(blocks, [*path, *[""] * len(blocks)], strict=False)
            ]
            _fail(seen, f"{seen} took another way", f"expected: {_way(path)}", f"it was:   {_way(shown)}")
        return seen

    def assert_delivered(self, object: Any) -> Seen:
        """It was delivered."""
        __tracebackhide__ = True
        return self._ended(object, "delivered")

    def assert_filtered(self, object: Any, *, by: str | None = None) -> Seen:
        """It was sorted out, by that predicate."""
        __tracebackhide__ = True
        return self._ended(object, "filtered", by)

    def assert_cancelled(self, object: Any, *, by: str | None = None) -> Seen:
        """It was called off, by that predicate."""
        __tracebackhide__ = True
        return self._ended(object, "cancelled", by)

    def assert_failed(
        self,
        object: Any,
        exception: type[BaseException] | str | None = None,
        *,
        block: str | None = None,
        match: str | None = None,
    ) -> Seen:
        """It failed: in that block, with that exception among what was raised and its causes, whose message
        matches."""
        __tracebackhide__ = True
        seen = self._ended(object, "failed")
        if exception is None and block is None and match is None:
            return seen
        name = exception if exception is None or isinstance(exception, str) else exception.__qualname__
        for each in seen.blocks:
            if each["status"] != "failed" or block not in {None, each["block"]}:
                continue
            if (name is None and match is None) or any(_fits(held, name, match) for held in _all(each)):
                return seen
        told = f" with {name}" if name else ""
        told += f" in block {block!r}" if block else ""
        told += f", its message matching {match!r}" if match else ""
        return _fail(seen, f"{seen} did not fail{told}")

    def assert_skipped(self, object: Any = None, *, by: str | None = None, block: str | None = None) -> Seen:
        """One of its blocks was skipped, by that predicate; without an object, a block of any transaction."""
        __tracebackhide__ = True
        chosen = self.transactions if object is None else [self.get(object)]
        for seen in chosen:
            for each in seen.blocks:
                skip = each["skip"]
                if skip and by in {None, skip["predicate"]} and block in {None, each["block"]}:
                    return seen
        told = (f" by {by!r}" if by else "") + (f" in block {block!r}" if block else "")
        if object is None:
            raise AssertionError(f"nothing was skipped{told}; {self._overview()}{_lives(chosen)}")
        return _fail(chosen[0], f"{chosen[0]} skipped nothing{told}")

    def assert_no_unfinished(self) -> None:
        """Every transaction has ended, or was handed over. The fixture asks for that when a test has ended."""
        __tracebackhide__ = True
        left = [
            seen
            for seen in self.transactions
            if seen.status == "in_transit" and seen.found["announced"] and seen.id not in self.handed_over
        ]
        if left:
            named = ", ".join(map(str, left[:_MOST_NAMED]))
            raise AssertionError(f"{len(left)} left unfinished: {named}{_lives(left)}")

    def assert_nothing_refused(self) -> None:
        """A server would take every record."""
        __tracebackhide__ = True
        self._read()
        if self.refused:
            told = "\n".join(f"  {each.why}: {each.record}" for each in self.refused[:_MOST_NAMED])
            raise AssertionError(f"a server would refuse {counted(len(self.refused), 'records')}:\n{told}")

    def allow_unfinished(self) -> None:
        """This test may leave transactions under way."""
        self._may_be_unfinished = True

    def assert_clean(self) -> None:
        """What the fixture asks for when a test has ended."""
        __tracebackhide__ = True
        self.assert_nothing_refused()
        if not self._may_be_unfinished:
            self.assert_no_unfinished()

    # ------------------------------------------------------------------------------------- told

    def _ended(self, object: Any, status: str, by: str | None = None) -> Seen:
        __tracebackhide__ = True
        seen = self.get(object)
        if seen.status != status:
            is_open = seen.status == "in_transit"
            _fail(seen, f"{seen} was not {status}: it is {'still in transit' if is_open else seen.status}")
        predicate = seen.found["predicate"]
        if by not in {None, predicate}:
            _fail(seen, f"{seen} was {status} by {predicate!r}, not by {by!r}")
        return seen

    def _overview(self) -> str:
        found = self.transactions
        if not found:
            return "nothing was recorded at all"
        named = [f"{seen} ({seen.status})" for seen in found[:_MOST_NAMED]]
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        return f"recorded: {', '.join(named)}{more}"


def _fail(seen: Seen, *lines: str) -> NoReturn:
    __tracebackhide__ = True
    raise AssertionError("\n  ".join(lines) + _lives([seen]))


def _lives(chosen: list[Seen]) -> str:
    return "".join(f"\n\n{seen.timeline()}" for seen in chosen[:3])


def _is(block: dict[str, Any], told: str) -> bool:
    return told in {block["block"], f"{block['block']}/{block['status']}"}


def _way(path: Sequence[str]) -> str:
    return " > ".join(path) or "no block"


def _all(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for exception in block["exceptions"]:
        held = exception
        while held:
            yield held
            held = held.get("cause")


def _fits(exception: dict[str, Any], name: str | None, match: str | None) -> bool:
    told = exception["type"]
    if name is not None and told != name and told.rpartition(".")[2] != name:
        return False
    return match is None or re.search(match, exception.get("message") or "") is not None


@contextmanager
def recording(flow: str = "test") -> Iterator[Recorder]:
    """A recorder in place of delivery, as the fixture gives it; for other frameworks than pytest.

    What the application says by `flowtrail.init` holds, but for where records go. `flow` is what is meant before it
    is called. Afterwards everything is as it was before.
    """
    recorder = Recorder()

    before = producer.listen(recorder)
    context.current.set(None)
    try:
        with (
            _in_place(producer, "flow", producer.flow or flow),
            _in_place(producer, "version", producer.version),
            _in_place(producer, "worker", producer.worker),
            _in_place(producer, "finish", producer.finish),
            _in_place(producer, "open_sink", lambda _settings: recorder),
            _in_place(producer, "on_handover", recorder.handed_over.add),
        ):
            yield recorder
    finally:
        producer.listen(before)
        context.current.set(None)


@contextmanager
def _in_place(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Something else in place of an attribute, and back."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
