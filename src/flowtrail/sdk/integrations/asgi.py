"""Requests of ASGI applications: each goes on with the transaction its headers name, or is one of its own."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from flowtrail.model.ids import new_transaction_id
from flowtrail.sdk.announcing import flow_or_unnamed, object_id
from flowtrail.sdk.api import flush
from flowtrail.sdk.api import transaction as new_transaction
from flowtrail.sdk.handing import read_carried, take_over
from flowtrail.sdk.identity import Identity
from flowtrail.sdk.integrations.guarding import check_callable, guarded
from flowtrail.sdk.producer import producer
from flowtrail.sdk.tracecontext import Carried
from flowtrail.sdk.transactions import Transaction

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Identify = Callable[[Scope], Iterable[Any] | None]

REQUEST: Final = "request"
"""What kind of object a request is where nobody says it."""
_ENDED: Final = "lifespan.shutdown."
_FLUSH_S: Final = 1.0
"""The end of a process may take twice as long in all."""
_FAILED: Final = 500
"""Answers from here on say that the work failed; below, that it was done and the caller was told something."""


class FlowtrailMiddleware:
    """Records every HTTP request of an application as a block.

    A request whose headers name a transaction goes on with it. Every other is a transaction of its own: a `request`
    with its `x-request-id` or an id of ours, or what `identify(scope)` says, `(object type, object id)` or
    `(object type, object id, keys)`; where that says None, or raises, the request is not recorded. The block is called by
    method and route, or what `name(scope)` says once the request was handled.
    """

    def __init__(
        self,
        app: App,
        *,
        identify: Identify | None = None,
        name: Callable[[Scope], str] | None = None,
        flow: str | None = None,
        stage: str | None = "ingress",
    ) -> None:
        self._app = app
        check_callable("identify", identify)
        self._identify = identify
        check_callable("name", name)
        self._name = name or route_of
        self._flow = flow
        self._stage = stage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; what is not HTTP passes through."""
        kind = scope["type"]
        transaction = self._open(scope) if kind == "http" else None
        if transaction is None:
            await self._app(scope, receive, ending(send) if kind == "lifespan" else send)
            return
        status = 0

        def sending(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message.get("status", 0)
            return send(message)

        with transaction, transaction.block(scope.get("method", "HTTP"), self._stage) as block:
            try:
                await self._app(scope, receive, sending)
            finally:
                self._tell(transaction, block, scope, status)

    @guarded
    def _open(self, scope: Scope) -> Transaction | None:
        carries, request_id = False, None
        headers = scope["headers"]
        for name, value in headers:
            if name == b"traceparent":
                carries = True
            elif name == b"x-request-id":
                request_id = value
        if carries:
            identity = take_over(headers, None, flow_or_unnamed(self._flow or producer.flow))
            if identity is not None:
                return Transaction(identity)
        if self._identify is None:
            return own_request(request_id, self._flow, headers if carries else None)
        said = self._identify(scope)
        if said is None:
            return None
        kind, about, *keys = said
        known = keys[0] if keys else None
        return new_transaction(kind, about, keys=known, flow=self._flow, carrier=headers if carries else None)

    @guarded
    def _tell(self, transaction: Transaction, block: Any, scope: Scope, status: int) -> None:
        named = self._named(scope)
        if named is not None:
            block.name = named
        block.detail(method=scope.get("method"), path=scope.get("path"), status=status or None)
        if status >= _FAILED:
            block.fail(f"answered {status}")
            transaction.fail(f"answered {status}")

    @guarded
    def _named(self, scope: Scope) -> str:
        # Guarded by itself: how the request ended is told whatever becomes of its name.
        return self._name(scope)


def ending(send: Send) -> Send:
    """`send` of a lifespan: what was recorded is delivered before the application has ended, since servers such as
    uvicorn end by the signal they were sent, without telling Python."""

    def sending(message: Message) -> Awaitable[None]:
        if message["type"].startswith(_ENDED):
            flush(_FLUSH_S)
        return send(message)

    return sending


def own_request(request_id: bytes | None, flow: str | None, carrier: Any) -> Transaction:
    """A request that is an object of its own, by the id it came with. As `flowtrail.transaction` makes it, without
    looking for what a request has not: it is made for every one."""
    own = new_transaction_id().hex()
    carried = Carried() if carrier is None else read_carried(carrier, None) or Carried()
    identity = Identity(
        id=own,
        flow=flow_or_unnamed(flow or producer.flow),
        version=producer.version,
        object_type=REQUEST,
        object_id=object_id(request_id.decode("latin-1")) if request_id else own,
        trace=carried.trace,
        carried=carried,
    )
    return Transaction(identity)


def route_of(scope: Scope) -> str:
    """Method and route, such as `GET /orders/{id}`; where the framework tells no route, the endpoint's name, else
    the method alone: never the path, of which there are too many."""
    route = scope.get("route")
    told = getattr(route, "path", None)
    if told is None:
        told = getattr(scope.get("endpoint"), "__name__", None)
    method = scope.get("method", "HTTP")
    return method if told is None else f"{method} {told}"
