"""Calls by `requests`, recorded as blocks: `session = track(requests.Session())`."""

from typing import TYPE_CHECKING, TypeVar

from flowtrail.sdk.integrations.calls import Options, record_calls

if TYPE_CHECKING:
    import requests

S = TypeVar("S", bound="requests.Session")


def track(
    session: S,
    *,
    name: str | None = None,
    stage: str | None = "egress",
    fails_from: int = 400,
    inject: bool = True,
) -> S:
    """Record every call of this session that is made within a transaction, redirects included, as one block.

    The block is called by method and host, or `name`. An answer from `fails_from` on is a failure of the block; the
    transaction goes on. Unless `inject` is False the request's headers carry the transaction on: its id and what its
    object is, to whatever server is called. Returns the session. Raises: TypeError, for what is none.
    """
    record_calls(session, Options(name, stage, fails_from, inject=inject))
    return session
