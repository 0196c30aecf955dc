"""The client that loads a server: prepared bodies over a few connections, as fast as they are answered."""

import http.client
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPMessage as Message
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

import msgspec

from flowtrail.model.clock import monotonic_s


class LoadFailed(Exception):
    """The server refused a body that it should have accepted."""


class Protocol(NamedTuple):
    """Where bodies go and as what; `token_of` reads an answer: status 200, headers and body, and how many it is of.

    It raises LoadFailed unless all were accepted.
    """

    path: str
    content_type: str
    token_of: Callable[[Message, bytes, int], str]


def _token_of_receipt(_: Message, text: bytes, records: int) -> str:
    receipt = msgspec.json.decode(text)
    if receipt["accepted"] != records:
        raise LoadFailed(f"{receipt['accepted']} of {records} accepted: {text[:500]!r}")
    return str(receipt["token"])


def _token_of_traces(headers: Message, text: bytes, records: int) -> str:
    # A success that is more than empty tells of spans that were refused.
    if text:
        raise LoadFailed(f"not all of {records} spans accepted: {text[:500]!r}")
    return str(headers["Flowtrail-Token"])


RECORDS: Final = Protocol("/v1/records", "application/x-ndjson", _token_of_receipt)
TRACES: Final = Protocol("/v1/traces", "application/x-protobuf", _token_of_traces)


@dataclass(slots=True)
class Sent:
    """What became of a load: seconds each request took, and the last token of each connection."""

    records: int = 0
    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)


def send(
    url: str,
    bodies: Sequence[bytes],
    *,
    protocol: Protocol = RECORDS,
    counts: Sequence[int] | None = None,
    connections: int = 4,
    records_a_second: float | None = None,
    on_answer: Callable[[float, str], None] | None = None,
) -> Sent:
    """Send every body once; at most `records_a_second` in all when given. `counts` says how many records each body
    holds; default: as many as lines.

    `on_answer` is told the instant (monotonic seconds) and token of each acknowledgement, in the client's threads.
    Raises: LoadFailed on any answer but 200, or a rejected record.
    """
    queue = deque(zip(bodies, counts or [body.count(b"\n") + 1 for body in bodies], strict=True))
    sent, lock = Sent(), threading.Lock()
    failures: list[BaseException] = []
    began = monotonic_s()

    def work() -> None:
        try:
            _drain(urlsplit(url), protocol, queue, sent, lock, _Pace(records_a_second, began), on_answer)
        except BaseException as error:  # noqa: BLE001 -- told to the caller, whose thread it is not
            failures.append(error)
            queue.clear()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    sent.seconds = monotonic_s() - began
    return sent


class _Pace:
    """Keeps all connections together below a rate, without bursts after a stall."""

    def __init__(self, rate: float | None, began: float) -> None:
        self.rate, self.began = rate, began

    def wait(self, records_before: int) -> None:
        if self.rate is None:
            return
        ahead = self.began + records_before / self.rate - monotonic_s()
        if ahead > 0:
            threading.Event().wait(ahead)


def _drain(
    place: SplitResult,
    protocol: Protocol,
    queue: deque[tuple[bytes, int]],
    sent: Sent,
    lock: threading.Lock,
    pace: _Pace,
    on_answer: Callable[[float, str], None] | None,
) -> None:
    connection = http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port, timeout=120)
    headers = {"Content-Type": protocol.content_type}
    token = ""
    while True:
        with lock:
            if not queue:
                break
            body, records = queue.popleft()
            before = sent.records
            sent.records += records
        pace.wait(before)
        began = monotonic_s()
        connection.request("POST", protocol.path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        over = monotonic_s()
        if answer.status != http.client.OK:
            raise LoadFailed(f"{answer.status}: {text[:500]!r}")
        token = protocol.token_of(answer.headers, text, records)
        if on_answer is not None:
            on_answer(over, token)
        sent.latencies_s.append(over - began)
    connection.close()
    if token:
        sent.tokens.append(token)
