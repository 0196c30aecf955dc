"""Who asks: a bearer of the key, or somebody on this very machine.

A browser on this machine can be made to ask by any page it shows. Without a key, what names another host than
loopback in `Host` (DNS rebinding) or `Origin` (a foreign page) is therefore refused.
"""

import base64
import binascii
import hmac
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from starlette.types import Scope

from flowtrail.model.addresses import is_loopback
from flowtrail.server.problems import Problem
from flowtrail.server.settings import Settings
from flowtrail.storage.interface import DEFAULT_TENANT

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""Probes carry no key; what they say is no secret."""
BROWSER_PATH: Final = "/"
"""The page a browser navigates to: browsers cannot send a bearer there, but ask for a user and password."""


class Caller(NamedTuple):
    """Who asks, and whose data are meant; carried through every call."""

    principal: str
    tenant: str


LOOPBACK: Final = Caller("loopback", DEFAULT_TENANT)
KEY: Final = Caller("key", DEFAULT_TENANT)
PROBE: Final = Caller("probe", DEFAULT_TENANT)


class Door:
    """Decides who a request comes from."""

    def __init__(self, settings: Settings) -> None:
        self._key = None if settings.api_key is None else settings.api_key.encode()

    def caller(self, scope: Scope) -> Caller:
        """Who asks.

        Raises: Problem (401 without the key; 403 on loopback for a foreign host or origin; 400 for two hosts).
        """
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if sum(name == b"host" for name, _ in scope["headers"]) > 1:
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            raise Problem(
                400,
                "malformed_request",
                "a request has one Host",
                field="Host",
                received=b", ".join(hosts),
                allowed="one Host",
            )
        if self._key is None:
            _check_loopback(headers)
            return LOOPBACK
        if scope["path"] in OPEN_PATHS:
            return PROBE
        given = headers.get(b"authorization", b"")
        scheme, _, credentials = given.partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(credentials.strip(), self._key):
            return KEY
        browser = scope["path"] == BROWSER_PATH
        if browser and scheme.lower() == b"basic" and hmac.compare_digest(_password(credentials), self._key):
            return KEY
        detail = "the key is missing" if not given else "this is not the key"
        challenge = 'Basic realm="Flowtrail: the key as password"' if browser else "Bearer"
        raise Problem(
            401,
            "unauthorized",
            f"{detail}: send Authorization: Bearer and the server's FLOWTRAIL_API_KEY",
            field="Authorization",
            headers={"WWW-Authenticate": challenge},
        )


def _password(credentials: bytes) -> bytes:
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _check_loopback(headers: dict[bytes, bytes]) -> None:
    host = headers.get(b"host", b"").decode("latin-1")
    if not _names_this_machine(f"//{host}"):
        raise Problem(
            403,
            "foreign_host",
            "without a key this server answers only to names of this machine",
            field="Host",
            received=host,
            allowed="127.0.0.1, [::1] or localhost; or set FLOWTRAIL_API_KEY",
        )
    origin = headers.get(b"origin")
    if origin is not None and not _names_this_machine(origin.decode("latin-1")):
        raise Problem(
            403,
            "foreign_origin",
            "without a key this server answers no page of another host",
            field="Origin",
            received=origin.decode("latin-1"),
            allowed="an origin of this machine; or set FLOWTRAIL_API_KEY",
        )


@lru_cache(256)
def _names_this_machine(url: str) -> bool:
    return is_loopback(_host_name(url))


def _host_name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
