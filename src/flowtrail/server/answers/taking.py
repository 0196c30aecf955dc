"""What is answered to those who send records, and to those who are refused."""

from typing import Literal

import msgspec

from flowtrail.server.answers.shape import Shape


class Rejected(Shape):
    """A record that was not accepted, by its place in the request."""

    index: int
    code: str
    field: str | None
    received: str | None
    allowed: str | None
    message: str
    producer: str | None = None
    seq: int | None = None


class Receipt(Shape):
    """What became of a request's records; `token` is what `Flowtrail-After` takes. `redacted` values were taken out of
    them; left out when there were none."""

    accepted: int
    rejected: list[Rejected]
    durable: Literal["disk", "majority", "none"]
    token: str | None
    redacted: int = 0


class Problem(msgspec.Struct):
    """Why a request was refused (RFC 9457). `code` is stable; some codes add members of their own."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | None
    received: str | None
    allowed: str | None
