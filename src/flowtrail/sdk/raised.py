"""What was raised, taken down at once on the host's thread so that nothing of it is kept alive, told later.

Of a traceback only code objects and line numbers stay, never a frame, its variables or the exception itself. The
exception is not touched: neither its traceback, its notes nor its arguments.
"""

import types
from collections import deque
from typing import Any, Final

import msgspec

from flowtrail.model.limits import MAX_CAUSES, MAX_EXCEPTIONS, MAX_OBJECT_ID_CHARS
from flowtrail.sdk.looks import class_attribute, class_name, module_and_name
from flowtrail.sdk.places import is_in_app
from flowtrail.sdk.values import CUT, Frozen, cut_text, freeze_value, tidy_text

MAX_MESSAGE_CHARS: Final = 8_192
MAX_FRAMES: Final = 56
"""Of one exception: the innermost ones, which say where it happened."""
OUTER_FRAMES: Final = 8
"""Outermost ones kept besides: they say how it came there."""
_MOST_STEPS: Final = 20_000
"""Of a traceback that are walked: one of endless recursion takes a millisecond, and no more."""

_FRAME_BYTES: Final = 88
_EXCEPTION_BYTES: Final = 400

_cause_of: Final = BaseException.__dict__["__cause__"].__get__
_context_of: Final = BaseException.__dict__["__context__"].__get__
_suppresses: Final = BaseException.__dict__["__suppress_context__"].__get__
_traceback_of: Final = BaseException.__dict__["__traceback__"].__get__
_arguments_of: Final = BaseException.__dict__["args"].__get__
_members_of: Final = BaseExceptionGroup.__dict__["exceptions"].__get__

_said_of_group: Final = BaseExceptionGroup.__dict__["message"].__get__
_FACTS: Final[dict[Any, dict[Any, frozenset[type]]]] = {
    UnicodeDecodeError.__str__: {
        UnicodeDecodeError.object: frozenset({bytes}),
        UnicodeDecodeError.encoding: frozenset({str}),
        UnicodeDecodeError.reason: frozenset({str}),
    },
    UnicodeEncodeError.__str__: {
        UnicodeEncodeError.object: frozenset({str}),
        UnicodeEncodeError.encoding: frozenset({str}),
        UnicodeEncodeError.reason: frozenset({str}),
    },
    UnicodeTranslateError.__str__: {
        UnicodeTranslateError.object: frozenset({str}),
        UnicodeTranslateError.reason: frozenset({str}),
    },
    SyntaxError.__str__: {
        SyntaxError.msg: frozenset({str}),
        SyntaxError.filename: frozenset({str, type(None)}),
        SyntaxError.lineno: frozenset({int, type(None)}),
    },
}
"""What these classes make their sentence of, where no code but theirs runs for it. Their arguments would tell the whole
text that could not be read, and not that it could not."""
_PLAIN: Final = frozenset({int, float, bool, type(None)})
_SHORT: Final = 1_024

Step = tuple[types.CodeType, int, Any]


class Raised(msgspec.Struct, gc=False):
    """An exception as it was: its class, what it said, where it came by, and what it came from."""

    kind: str
    module: str | None
    message: str
    steps: list[Step]
    lost_steps: int
    cause: "Raised | None" = None
    cost: int = _EXCEPTION_BYTES

    def told(self, causes: int = MAX_CAUSES) -> dict[str, Any]:
        """As it stands in a record; on the delivery thread."""
        found: dict[str, Any] = {"type": tidy_text(cut_text(self.kind, MAX_OBJECT_ID_CHARS)) or "?"}
        if self.message:
            found["message"] = tidy_text(self.message)
        if self.module:
            found["module"] = tidy_text(self.module)
        if self.steps:
            found["frames"] = self._frames()
        if self.cause is not None and causes > 0:
            found["cause"] = self.cause.told(causes - 1)
        return found

    def _frames(self) -> list[dict[str, Any]]:
        frames = [_frame(*step) for step in self.steps]
        if self.lost_steps:
            frames.insert(OUTER_FRAMES, {"function": f"{CUT}[cut: {self.lost_steps} frames]"})
        return frames


def _frame(code: types.CodeType, line: int, module: Any) -> dict[str, Any]:
    frame: dict[str, Any] = {"in_app": is_in_app(code.co_filename)}
    for name, text in (("module", module), ("function", code.co_qualname), ("file", code.co_filename)):
        if type(text) is str and text:
            frame[name] = tidy_text(cut_text(text, _SHORT))
    if type(line) is int and line >= 0:
        frame["line"] = line
    return frame


def take_down(raised: BaseException, trace: Any = None) -> list[Raised]:
    """The exception with its causes, and, of a group, its members after it, each with its causes; at most 64. Of a group
    that is a cause, the members stand there as well.

    `trace` is the traceback where it is at hand. Never raises.
    """
    found: list[Raised] = []
    try:
        _take_down_all(raised, trace, found)
    except Exception:  # noqa: BLE001 -- whatever it is made of, it goes on up as it was
        found.append(Raised(class_name(type(raised)), None, "", [], 0))
    return found


def _take_down_all(raised: BaseException, trace: Any, found: list[Raised]) -> None:
    waiting: deque[tuple[BaseException, Any]] = deque([(raised, trace)])
    opened: set[int] = set()
    while waiting and len(found) < MAX_EXCEPTIONS:
        each, known = waiting.popleft()
        groups: list[BaseException] = [each] if isinstance(each, BaseExceptionGroup) else []
        found.append(_with_causes(each, known, groups))
        for group in groups:
            if id(group) not in opened:
                opened.add(id(group))
                waiting.extend((member, None) for member in _members_of(group)[:MAX_EXCEPTIONS])


def _with_causes(raised: BaseException, trace: Any, groups: list[BaseException]) -> Raised:
    """With what it came from; groups among that are added to those whose members are to be told."""
    first = last = _one(raised, trace if trace is not None else _traceback_of(raised))
    cause = _cause(raised)
    if cause is None:
        return first
    seen = {id(raised)}
    while cause is not None and id(cause) not in seen and len(seen) <= MAX_CAUSES:
        seen.add(id(cause))
        last.cause = _one(cause, _traceback_of(cause))
        last = last.cause
        first.cost += last.cost
        if isinstance(cause, BaseExceptionGroup):
            groups.append(cause)
        cause = _cause(cause)
    return first


def _cause(raised: BaseException) -> BaseException | None:
    cause: BaseException | None = _cause_of(raised)
    if cause is None and not _suppresses(raised):
        cause = _context_of(raised)
    return cause


def _one(raised: BaseException, trace: Any) -> Raised:
    module, name = module_and_name(type(raised))
    steps, lost = _steps(trace)
    message = message_of(raised)
    cost = _EXCEPTION_BYTES + _FRAME_BYTES * len(steps) + 2 * len(message)
    return Raised(name, module, message, steps, lost, None, cost)


def _steps(trace: Any) -> tuple[list[Step], int]:
    steps: list[Step] = []
    while trace is not None and len(steps) < _MOST_STEPS:
        frame = trace.tb_frame
        steps.append((frame.f_code, trace.tb_lineno, dict.get(frame.f_globals, "__name__")))
        trace = trace.tb_next
    lost = len(steps) - MAX_FRAMES - OUTER_FRAMES
    if lost > 0:
        del steps[OUTER_FRAMES:-MAX_FRAMES]
    return steps, max(lost, 0)


def message_of(raised: BaseException) -> str:
    """What the exception says, bounded. Its own `__str__` is asked only where it has one, as any log would."""
    kind = type(raised)
    try:
        asked: Any = kind.__str__
    except Exception:  # noqa: BLE001 -- a metaclass may be anyone's code
        asked = class_attribute(kind, "__str__")
    arguments = _arguments_of(raised)
    if asked is BaseException.__str__:
        if len(arguments) == 1 and type(arguments[0]) is str:
            return cut_text(arguments[0], MAX_MESSAGE_CHARS)
        if not arguments:
            return ""
    if asked is BaseExceptionGroup.__str__:
        return _group_message(raised)
    if _are_plain(arguments) or _is_sentence(asked, raised) or type(asked) is not types.WrapperDescriptorType:
        return _asked(raised)
    return cut_text(", ".join(_shown(each) for each in arguments[:8]), MAX_MESSAGE_CHARS)


def _group_message(raised: BaseException) -> str:
    count = len(_members_of(raised))
    said = cut_text(str.__getitem__(_said_of_group(raised), slice(None)), MAX_MESSAGE_CHARS - _SHORT)
    return f"{said} ({count} sub-exception{'s' if count > 1 else ''})"


def _is_sentence(asked: Any, raised: BaseException) -> bool:
    facts = _FACTS.get(asked) if type(asked) is types.WrapperDescriptorType else None
    return facts is not None and all(type(fact.__get__(raised)) in types for fact, types in facts.items())


def _are_plain(arguments: tuple[Any, ...]) -> bool:
    for each in arguments:
        kind = type(each)
        if kind is str:
            if len(each) > MAX_MESSAGE_CHARS:
                return False
        elif kind not in _PLAIN or (kind is int and each.bit_length() > _SHORT):
            return False
    return True


def _asked(raised: BaseException) -> str:
    try:
        text = str(raised)
    except Exception as error:  # noqa: BLE001 -- a message that cannot be told is no reason to fail
        return f"<its __str__ raised {class_name(type(error))}>"
    return cut_text(str.__getitem__(text, slice(None)), MAX_MESSAGE_CHARS)


def _shown(argument: Any) -> str:
    copied = freeze_value(argument, Frozen())
    return copied if type(copied) is str else repr(copied)
