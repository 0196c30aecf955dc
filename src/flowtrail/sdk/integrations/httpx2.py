"""Calls by `httpx2`, recorded as blocks: `client = track(httpx2.Client())`. The same for `httpx`."""

from typing import TYPE_CHECKING, TypeVar

from flowtrail.sdk.integrations.calls import Options, record_calls

if TYPE_CHECKING:
    import httpx2

C = TypeVar("C", bound="httpx2.Client | httpx2.AsyncClient")


def track(
    client: C,
    *,
    name: str | None = None,
    stage: str | None = "egress",
    fails_from: int = 400,
    inject: bool = True,
) -> C:
    """Record every call of this client that is made within a transaction, redirects included, as one block.

    The block is called by method and host, or `name`. An answer from `fails_from` on is a failure of the block; the
    transaction goes on. Unless `inject` is False the request's headers carry the transaction on: its id and what its
    object is, to whatever server is called. Returns the client. Raises: TypeError, for what is none.
    """
    record_calls(client, Options(name, stage, fails_from, inject=inject))
    return client
