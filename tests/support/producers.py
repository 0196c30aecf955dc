"""Producers that insist: a body is sent until it is acknowledged, and what was acknowledged is never sent again."""

import threading
import time
from collections.abc import Callable, Iterable

import httpx2

PATIENCE_S = 120.0


class Producer(threading.Thread):
    """Sends bodies in order to whatever address `where` gives; `pause_s` lies between two."""

    def __init__(self, bodies: Iterable[bytes], where: Callable[[], str], pause_s: float = 0.0) -> None:
        super().__init__(daemon=True)
        self._bodies, self._where, self._pause_s = bodies, where, pause_s
        self.acknowledged = 0
        self.unknown = 0
        """Attempts that got no answer, or one that says "unknown"."""
        self.token: str | None = None
        self.failed: str | None = None

    def run(self) -> None:
        with httpx2.Client(timeout=30) as client:
            for body in self._bodies:
                if not self._insist(client, body):
                    return
                self.acknowledged += 1
                time.sleep(self._pause_s)

    def _insist(self, client: httpx2.Client, body: bytes) -> bool:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = client.post(
                    f"{self._where()}/v1/records",
                    content=body,
                    headers={"Content-Type": "application/x-ndjson"},
                )
            except httpx2.HTTPError as error:
                reason = repr(error)
            else:
                if answer.status_code == 200:
                    receipt = answer.json()
                    if receipt["rejected"]:
                        self.failed = f"rejected: {receipt['rejected'][:2]}"
                        return False
                    self.token = receipt["token"]
                    return True
                reason = f"{answer.status_code} {answer.text[:300]}"
                if answer.status_code not in {429, 500, 503, 507}:
                    self.failed = reason
                    return False
            self.unknown += 1
            if time.monotonic() > until:
                self.failed = f"no acknowledgement in {PATIENCE_S} s: {reason}"
                return False
            time.sleep(0.02)

    def done(self) -> None:
        """Wait until everything is acknowledged. Raises: AssertionError."""
        self.join(PATIENCE_S * 2)
        assert not self.is_alive(), "a producer hangs"
        assert self.failed is None, self.failed
