"""What `/metrics` counts as requests are answered; what is looked at when somebody asks is in `watching`."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.types import Scope

from flowtrail.server.problems import CODE

MEDIA_TYPE: Final = "text/plain; version=1.0.0; charset=utf-8"
OTHER: Final = "other"
"""The route of what asked for no route of ours: names that clients make up must not become labels."""


# A gauge beside every counter would double what is scraped.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """One process' counters, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "flowtrail_requests",
            "Requests answered, by route, method and status; 499 are clients that left before.",
            ["route", "method", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "flowtrail_request_seconds",
            "From a request's head to the end of its answer; live feeds not counted.",
            ["route"],
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
            registry=self._registry,
        )
        self._refusals = Counter(
            "flowtrail_refusals", "Requests refused as a whole, by code.", ["code"], registry=self._registry
        )
        self._body_bytes = Counter(
            "flowtrail_intake_bytes", "Bodies of records as they came, still coded.", registry=self._registry
        )
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self.paths: dict[Any, str] = {}
        """Endpoint -> path as it is documented; filled by the app."""
        self.untimed: set[Any] = set()
        """Endpoints whose answers have no end."""

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request when it is over."""
        endpoint = scope.get("endpoint")
        path = self.paths.get(endpoint, OTHER)
        known = status < HTTPStatus.BAD_REQUEST or path != OTHER
        self._requests.labels(path, scope["method"] if known else OTHER, str(status)).inc()
        if endpoint not in self.untimed:
            self._seconds.labels(path).observe(seconds)
        code = scope.get(CODE)
        if code is not None:
            self._refusals.labels(code).inc()

    def received(self, size_bytes: int) -> None:
        """Count a body of records."""
        self._body_bytes.inc(size_bytes)

    def collect(self) -> list[Metric]:
        """What was counted so far."""
        return list(self._registry.collect())


class _Collected(NamedTuple):
    families: Iterable[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.families


def as_text(families: Iterable[Metric]) -> bytes:
    """Families in the text that Prometheus reads."""
    return generate_latest(cast("CollectorRegistry", _Collected(families)))
