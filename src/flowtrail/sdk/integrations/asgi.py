"""Requests of ASGI applications: each goes on with the transaction its headers name, or is one of its own."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from flowtrail.model.ids import new_transaction_id
from flowtrail.sdk.announcing import flow_or_unnamed
from flowtrail.sdk.api import transaction as new_transaction
from flowtrail.sdk.handing import take_over
from flowtrail.sdk.integrations.guarding import guarded
from flowtrail.sdk.producer import producer
from flowtrail.sdk.transactions import Transaction

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Identify = Callable[[Scope], Iterable[Any] | None]

REQUEST: Final = "request"
"""What kind of object a request is where nobody says it."""
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
        self._identify = identify
        self._name = name or route_of
        self._flow = flow
        self._stage = stage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; what is not HTTP passes through."""
        transaction = self._open(scope) if scope["type"] == "http" else None
        if transaction is None:
            await self._app(scope, receive, send)
            return
        status = 0

        def sending(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        with transaction, transaction.block(scope["method"], self._stage) as block:
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
        carrier = headers if carries else None
        if self._identify is not None:
            said = self._identify(scope)
            if said is None:
                return None
            kind, object_id, *keys = said
            known = keys[0] if keys else None
            return new_transaction(kind, object_id, keys=known, flow=self._flow, carrier=carrier)
        return own_request(request_id, self._flow, carrier)

    @guarded
    def _tell(self, transaction: Transaction, block: Any, scope: Scope, status: int) -> None:
        block.name = self._name(scope)
        block.detail(method=scope["method"], path=scope["path"], status=status or None)
        if status >= _FAILED:
            block.fail(f"answered {status}")
            transaction.fail(f"answered {status}")


def own_request(request_id: bytes | None, flow: str | None, carrier: Any) -> Transaction:
    """A request that is an object of its own, by the id it came with."""
    if request_id:
        return new_transaction(REQUEST, request_id.decode("latin-1"), flow=flow, carrier=carrier)
    own = new_transaction_id().hex()
    return new_transaction(REQUEST, own, id=own, flow=flow, carrier=carrier)


def route_of(scope: Scope) -> str:
    """Method and route, such as `GET /orders/{id}`; where the framework tells no route, the endpoint's name, else
    the method alone: never the path, of which there are too many."""
    route = scope.get("route")
    told = getattr(route, "path", None)
    if told is None:
        told = getattr(scope.get("endpoint"), "__name__", None)
    method: str = scope["method"]
    return method if told is None else f"{method} {told}"
