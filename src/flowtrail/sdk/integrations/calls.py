"""Calls to other systems over HTTP: what `httpx2` and `requests` have in common."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from inspect import iscoroutinefunction
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from flowtrail.sdk.ambient import current_block, current_transaction
from flowtrail.sdk.blocks import Block
from flowtrail.sdk.integrations.guarding import guarded
from flowtrail.sdk.looks import class_name

_calling: Final[ContextVar[Block | None]] = ContextVar("flowtrail_calling", default=None)


class Call:
    """One call, recorded as a block of the transaction it is made in. Its headers carry the transaction on."""

    def __init__(self, block: Block, fails_from: int) -> None:
        self._block = block
        self._fails_from = fails_from
        self._outer: Block | None = None

    def __enter__(self) -> Self:
        self._outer = _calling.get()
        _calling.set(self._block)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        _calling.set(self._outer)
        self._block.__exit__(kind, raised, trace)

    @guarded
    def answered(self, response: Any) -> None:
        """An answer came."""
        status = response.status_code
        self._block.detail(status=status)
        if status >= self._fails_from:
            self._block.fail(f"answered {status}")


@guarded
def open_call(request: Any, options: "Options") -> Call | None:
    """The call begins. None outside of any transaction, and for a further step of a call that is recorded."""
    transaction = current_transaction()
    if transaction is None or not transaction.is_known:
        return None
    calling = _calling.get()
    if calling is not None and calling is current_block():
        return None
    method, parts = request.method, urlsplit(str(request.url))
    # Neither who calls nor what is asked for: both hold secrets.
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    block = transaction.block(options.name or f"{method} {parts.hostname or 'unknown'}", options.stage)
    block.__enter__()
    block.detail(method=method, url=shown)
    if options.inject:
        inject(transaction, request.headers)
    return Call(block, options.fails_from)


@guarded
def inject(transaction: Any, headers: Any) -> None:
    """Write the transaction into the headers of a request."""
    transaction.inject(headers)


class Options:
    """How the calls of one client are recorded."""

    __slots__ = ("fails_from", "inject", "name", "stage")

    def __init__(self, name: str | None, stage: str | None, fails_from: int, *, inject: bool) -> None:
        self.name = name
        self.stage = stage
        self.fails_from = fails_from
        self.inject = inject


def record_calls(client: Any, options: Options) -> None:
    """Have a client's calls recorded. Raises: TypeError (this is no client)."""
    send = getattr(client, "send", None)
    if not callable(send):
        raise TypeError(
            f"track takes a client or session with a method `send`, not {class_name(type(client))}"
        )
    client.send = (sending_async if iscoroutinefunction(send) else sending)(send, options)


def sending(send: Callable[..., Any], options: Options) -> Callable[..., Any]:
    """`send(request, **options)` of a client, recorded."""

    def recorded(request: Any, *args: Any, **named: Any) -> Any:
        call = open_call(request, options)
        if call is None:
            return send(request, *args, **named)
        with call:
            response = send(request, *args, **named)
            call.answered(response)
            return response

    return recorded


def sending_async(send: Callable[..., Awaitable[Any]], options: Options) -> Callable[..., Awaitable[Any]]:
    """The same of an asynchronous client."""

    async def recorded(request: Any, *args: Any, **named: Any) -> Any:
        call = open_call(request, options)
        if call is None:
            return await send(request, *args, **named)
        with call:
            response = await send(request, *args, **named)
            call.answered(response)
            return response

    return recorded
