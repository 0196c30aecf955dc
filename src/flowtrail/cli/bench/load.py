"""The client that loads a server: prepared bodies over a few connections, as fast as they are answered."""

import http.client
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import msgspec

from flowtrail.model.clock import monotonic_s


class LoadFailed(Exception):
    """The server refused a body that it should have accepted."""


@dataclass(slots=True)
class Sent:
    """What became of a load: seconds each request took, and the last token of each connection."""

    records: int = 0
    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    answered_at: list[tuple[float, str]] = field(default_factory=list)


def send(
    url: str,
    bodies: Sequence[bytes],
    *,
    connections: int = 4,
    records_a_second: float | None = None,
    on_answer: Callable[[float, str], None] | None = None,
) -> Sent:
    """Send every body once; at most `records_a_second` in all when given.

    `on_answer` is told the instant (monotonic seconds) and token of each acknowledgement, in the client's threads.
    Raises: LoadFailed on any answer but 200, or a rejected record.
    """
    queue = deque(bodies)
    sent, lock = Sent(), threading.Lock()
    failures: list[BaseException] = []
    began = monotonic_s()

    def work() -> None:
        try:
            _drain(urlsplit(url), queue, sent, lock, _Pace(records_a_second, began), on_answer)
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
    queue: deque[bytes],
    sent: Sent,
    lock: threading.Lock,
    pace: _Pace,
    on_answer: Callable[[float, str], None] | None,
) -> None:
    connection = http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port, timeout=120)
    headers = {"Content-Type": "application/x-ndjson"}
    token = ""
    while True:
        with lock:
            if not queue:
                break
            body = queue.popleft()
            before = sent.records
            records = body.count(b"\n") + 1
            sent.records += records
        pace.wait(before)
        began = monotonic_s()
        connection.request("POST", "/v1/records", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        over = monotonic_s()
        if answer.status != http.client.OK:
            raise LoadFailed(f"{answer.status}: {text[:500]!r}")
        receipt = msgspec.json.decode(text)
        if receipt["accepted"] != records:
            raise LoadFailed(f"{receipt['accepted']} of {records} accepted: {text[:500]!r}")
        token = receipt["token"]
        if on_answer is not None:
            on_answer(over, token)
        sent.latencies_s.append(over - began)
    connection.close()
    if token:
        sent.tokens.append(token)
