"""What a command works on: a server, or a store that it serves to itself for as long as it runs.

Commands always speak HTTP, so that a store and a server answer alike; for a store, the server is this process on a
free loopback port.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import httpx2
from cyclopts import Parameter

from flowtrail.cli import settings
from flowtrail.cli.failures import INTERRUPTED, USAGE, Failure
from flowtrail.cli.replies import check_stream, json_of, problem, refused_records
from flowtrail.model.addresses import is_loopback
from flowtrail.model.clock import monotonic_s
from flowtrail.sdk.verdicts import read_retry_after

_PATIENCE_S: Final = 60.0
"""For a server that restarts, or a disk that is being freed."""
_WHILE_LOOKING: Final = httpx2.Timeout(30, read=3_600)
"""For the next part of a document: a server that looks for the few that match among very many has nothing to send."""
_PAUSE_S: Final = 0.1
"""Between two looks at a server that does not say how long it will take."""
_HOST: Final = re.compile(r"[\w.\[\]:-]+(?:/\S*)?")
RECORDS: Final = "/v1/records"
_TRY_AGAIN: Final = frozenset({429, 502, 503, 504, 507})
"""Full, busy, or behind a proxy that cannot reach it."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Target:
    """Where to look; without either, FLOWTRAIL_URL, a server on the default port, then ./flowtrail-data."""

    url: Annotated[str | None, Parameter(help="A server, such as http://127.0.0.1:8765.")] = None
    store: Annotated[str | None, Parameter(help="A store, such as sqlite:./flowtrail-data.")] = None


class Client:
    """Asks one server. Raises: Failure with the server's own words."""

    def __init__(self, url: str, key: str | None) -> None:
        if key and not (key.isascii() and key.isprintable()):
            raise Failure("FLOWTRAIL_API_KEY is no key: a header carries printable ASCII alone", USAGE)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url = url
        self.stopping = threading.Event()
        """Once set nothing is sent again: somebody pressed Ctrl-C."""
        if not url.lower().startswith(("http://", "https://")):
            near = "" if "://" in url or not _HOST.fullmatch(url) else f"; did you mean http://{url}?"
            raise Failure(f"{url!r} is no address of a server{near}", USAGE)
        try:
            self.http = httpx2.Client(
                base_url=url,
                headers=headers,
                timeout=httpx2.Timeout(30, read=120),
                # A proxy of the environment reaches what is elsewhere; what is here it must neither be asked for nor see.
                trust_env=not is_loopback(httpx2.URL(url).host),
            )
        except (httpx2.InvalidURL, TypeError, ValueError) as error:
            raise Failure(f"{url!r} is no address of a server: {error}", USAGE) from error
        except ImportError as error:
            raise Failure(f"the proxy that the environment names cannot be used: {error}", USAGE) from error

    def get(self, path: str, **parameters: Any) -> Any:
        """A JSON answer; parameters that are None are left out."""
        wanted = {name.rstrip("_"): value for name, value in parameters.items() if value is not None}
        return json_of(self.url, path, self._send("GET", path, params=wanted))

    def records(self, body: bytes) -> Any:
        """The receipt for a body of records; also when the server refused every one of them.

        While the server is busy, full or away the body is sent again, for `_PATIENCE_S`: that is always safe.
        From any thread.
        """
        answer = self._insist(body)
        if rejected := refused_records(answer):
            return {"accepted": 0, "rejected": rejected, "token": None}
        return json_of(self.url, RECORDS, answer)

    def _insist(self, body: bytes) -> httpx2.Response:
        until = monotonic_s() + _PATIENCE_S
        headers = {"Content-Type": "application/x-ndjson"}
        while True:
            wait_s = 1.0
            try:
                answer = self._send("POST", RECORDS, content=body, headers=headers)
                if answer.status_code not in _TRY_AGAIN or monotonic_s() > until:
                    return answer
                wait_s = _asked_s(answer, wait_s)
            except Failure:
                if monotonic_s() > until:
                    raise
            if self.stopping.wait(wait_s):
                raise Failure("interrupted", INTERRUPTED)

    def wait_visible(self, token: str, seconds: float = 600) -> None:
        """Return once what the token names can be read, also when the server is away for `_PATIENCE_S` meanwhile.

        Raises: Failure after that many seconds.
        """
        until = monotonic_s() + seconds
        back_by = monotonic_s() + _PATIENCE_S
        while True:
            wait_s = 1.0
            try:
                answer = self._send(
                    "GET", "/v1/transactions?page_size=1&count=none", headers={"Flowtrail-After": token}
                )
            except Failure:
                if monotonic_s() > back_by:
                    raise
            else:
                if answer.status_code == httpx2.codes.OK:
                    return
                if answer.status_code not in _TRY_AGAIN or monotonic_s() > until:
                    raise problem(self.url, answer)
                back_by = monotonic_s() + _PATIENCE_S
                wait_s = _asked_s(answer, _PAUSE_S)
            self.stopping.wait(wait_s)

    def _send(self, method: str, path: str, **rest: Any) -> httpx2.Response:
        try:
            return self.http.request(method, path, **rest)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Failure(f"{self.url} does not answer: {str(error) or type(error).__name__}") from error

    @contextmanager
    def streamed(self, path: str, parameters: dict[str, str]) -> Iterator[Iterator[bytes]]:
        """An answer of any size, part by part. Raises: Failure, also when it breaks off."""
        try:
            with self.http.stream("GET", path, params=parameters, timeout=_WHILE_LOOKING) as answer:
                check_stream(self.url, answer)
                yield self._parts(answer)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.InvalidURL) as error:
            raise Failure(f"{self.url} does not answer: {str(error) or type(error).__name__}") from error

    def _parts(self, answer: httpx2.Response) -> Iterator[bytes]:
        try:
            yield from answer.iter_bytes()
        except httpx2.HTTPError as error:
            raise Failure(
                f"the answer of {self.url} broke off, what came is not whole: {str(error) or type(error).__name__};"
                " the server's log says why"
            ) from error


def _asked_s(answer: httpx2.Response, otherwise: float) -> float:
    """How long the server asks to wait, by a number or, as proxies do, by a date."""
    return min(read_retry_after(answer.headers.get("Retry-After")) or otherwise, _PATIENCE_S)


@contextmanager
def connected(target: Target, *, writing: bool = False) -> Iterator[Client]:
    """A client for what the user named. `writing` serves a store with its projector, under its lock."""
    if target.url is not None and target.store is not None:
        raise Failure("--url and --store exclude each other: name one", USAGE)
    url = settings.url(target.url) if target.store is None else None
    if url is None and target.store is None:
        url = _default_server()
    if url is not None:
        yield Client(url, settings.api_key())
        return
    store = settings.store(target.store)
    directory = Path(settings.DEFAULT_STORE.removeprefix("sqlite:"))
    if store == settings.DEFAULT_STORE and target.store is None and not writing and not directory.exists():
        raise Failure(
            f"no server answers at {settings.DEFAULT_URL} and there is no store in ./flowtrail-data;"
            " start one with `flowtrail serve`, or name one with --url or --store"
        )
    from flowtrail.server.run import serving

    with serving(store, writing=writing) as own:
        yield Client(own, None)


def _default_server() -> str | None:
    """What listens on the default port, if it is ours: nobody named it, so a stranger there is no mistake of anybody's."""
    path = "/healthz"
    address = f"{settings.DEFAULT_URL}{path}"
    try:
        json_of(settings.DEFAULT_URL, path, httpx2.get(address, timeout=0.5, trust_env=False))
    except (httpx2.HTTPError, Failure):
        return None
    return settings.DEFAULT_URL
