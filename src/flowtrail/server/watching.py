"""What `/metrics` looks at when somebody asks: the lag of the views, queues, connections, and intake's own counts."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from flowtrail import __version__
from flowtrail.intake.receipts import Counts, Distribution
from flowtrail.ledger.pages import read_header
from flowtrail.model.clock import MICROS, now_us
from flowtrail.query.producers import totals
from flowtrail.server.projecting import durable
from flowtrail.server.services import Services
from flowtrail.storage.interface import Store

SAMPLE_PAGES: Final = 16
"""Pages looked at to say how many records wait; beyond them their mean is believed."""


_PRODUCERS: Final = (
    ("sessions", "Producer sessions ever heard of.", "sessions"),
    ("sessions_troubled", "Producer sessions of which something is known to be lost.", "troubled"),
    ("missing", "Sequences of producers that have not come.", "missing"),
    ("rejected", "Sequences of producers that were refused and never accepted.", "rejected"),
    ("dropped", "Records that producers say they gave up.", "dropped"),
)


class Lag(NamedTuple):
    """How far the views are behind the journal."""

    pages: int
    records: int
    seconds: float


def lag_of(store: Store) -> Lag:
    """How far the views are behind what is durable now. Raises: StoreError."""
    visible = store.changes.visible()
    behind = sum(max(0, sequence - visible.get(ordinal, 0)) for ordinal, sequence in durable(store).items())
    if not behind:
        return Lag(0, 0, 0.0)
    headers = [read_header(page) for page in store.journal.read(visible, SAMPLE_PAGES)]
    if not headers:
        return Lag(0, 0, 0.0)
    mean = sum(header.count for header in headers) / len(headers)
    oldest = min(header.received_at for header in headers)
    return Lag(behind, round(mean * max(behind, len(headers))), max(0, now_us() - oldest) / MICROS)


def watched_store(services: Services) -> Iterator[Metric]:
    """What is the same whichever process is asked. Reads the store: call it from a thread."""
    info = GaugeMetricFamily("flowtrail_info", "Version and kind of store.", labels=["version", "store"])
    info.add_metric([__version__, services.settings.store.partition(":")[0]], 1)
    yield info
    yield from _lag(services)
    yield from _producers(services)


def watched_process(services: Services) -> Iterator[Metric]:
    """What this process holds and did."""
    projector = services.projector
    if projector is not None:
        yield GaugeMetricFamily("flowtrail_projector_up", "Whether the projector runs.", float(projector.up))
        yield CounterMetricFamily(
            "flowtrail_projector_restarts", "How often the projector was started again.", projector.restarts
        )
    if services.intake is not None:
        yield from _intake(services)
    yield GaugeMetricFamily("flowtrail_reads", "Reads under way or waiting.", services.reads.under_way)
    yield GaugeMetricFamily("flowtrail_after_waiting", "Reads that wait for views.", services.waiting.count)
    yield GaugeMetricFamily("flowtrail_body_bytes", "Bodies held in memory now.", services.bodies.held)
    yield GaugeMetricFamily("flowtrail_live_connections", "Live feeds open now.", services.hub.count)
    yield CounterMetricFamily(
        "flowtrail_live_cut", "Live feeds cut because nobody took them.", services.hub.cut
    )


def _producers(services: Services) -> Iterator[Metric]:
    """The sums over all tenants' producer sessions; nothing where the store does not answer."""
    counted: Counter[str] = Counter()
    try:
        for tenant in {writer.tenant for writer in services.store.journal.writers()}:
            counted.update(totals(services.store, tenant))
    except Exception:  # noqa: BLE001 -- the metrics that need no store are wanted most when it is gone
        return
    for name, meaning, total in _PRODUCERS:
        yield GaugeMetricFamily(f"flowtrail_producer_{name}", meaning, counted[total])


def _lag(services: Services) -> Iterator[Metric]:
    try:
        lag = lag_of(services.store)
    except Exception:  # noqa: BLE001 -- the metrics that need no store are wanted most when it is gone
        yield GaugeMetricFamily("flowtrail_store_up", "Whether the store answers.", 0)
        return
    yield GaugeMetricFamily("flowtrail_store_up", "Whether the store answers.", 1)
    yield GaugeMetricFamily("flowtrail_lag_pages", "Pages that are durable but not yet visible.", lag.pages)
    yield GaugeMetricFamily(
        "flowtrail_lag_records", "Records that are durable but not yet visible, about.", lag.records
    )
    yield GaugeMetricFamily(
        "flowtrail_lag_seconds", "Age of the oldest record that is durable but not yet visible.", lag.seconds
    )


def _intake(services: Services) -> Iterator[Metric]:
    intake = services.intake
    assert intake is not None
    counts: Counts = intake.committer.counts
    for name, meaning, value in (
        ("queue_bodies", "Bodies that wait to be decoded.", intake.waiting_bodies),
        ("queue_bytes", "Bytes of bodies that wait to be decoded.", intake.waiting_bytes),
        ("commit_queue_records", "Records that wait to be durable.", intake.committer.queued_records),
        ("commit_queue_bytes", "Bytes of records that wait to be durable.", intake.committer.queued_bytes),
        ("commit_paused", "Whether the store takes no writes.", int(intake.committer.failure is not None)),
    ):
        yield GaugeMetricFamily(f"flowtrail_{name}", meaning, value)
    yield CounterMetricFamily("flowtrail_records_accepted", "Records made durable.", counts.accepted)
    yield _by_code("flowtrail_records_rejected", "Records refused one by one, by code.", counts.rejected)
    yield _by_code(
        "flowtrail_values_redacted",
        "Values taken out of records before they were written, by why.",
        counts.redacted,
    )
    yield _by_code(
        "flowtrail_batches_refused", "Batches turned away before they were written.", counts.refused
    )
    yield CounterMetricFamily("flowtrail_commits", "Group commits.", counts.commits)
    yield CounterMetricFamily("flowtrail_commit_failures", "Writes the store refused.", counts.failures)
    yield CounterMetricFamily("flowtrail_pages", "Pages written.", counts.pages)
    yield _histogram("flowtrail_page_records", "Records of a page.", counts.page_records)
    yield _histogram("flowtrail_page_bytes", "Stored size of a page.", counts.page_bytes)
    yield _histogram("flowtrail_commit_seconds", "From queued to durable, per batch.", counts.latency_s)


def _by_code(name: str, meaning: str, counted: Any) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=["code"])
    for code, number in sorted(dict(counted).items()):
        family.add_metric([code], number)
    return family


def _histogram(name: str, meaning: str, counted: Distribution) -> Metric:
    running, buckets = 0, []
    for bound, number in zip((*counted.bounds, float("inf")), counted.counts, strict=True):
        running += number
        buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), float(running)))
    return HistogramMetricFamily(name, meaning, buckets=buckets, sum_value=counted.total)
