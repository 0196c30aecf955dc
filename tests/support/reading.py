"""What a store tells over its public HTTP interface, and nothing else."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx2

from flowtrail.cli.importing import send
from flowtrail.cli.target import Client
from flowtrail.intake.importers import Batch

T = TypeVar("T")
Json = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH = 1_000


def micros(told: str | float | None) -> int | None:
    """An instant's text, or a duration in seconds, as integer microseconds."""
    if told is None:
        return None
    if isinstance(told, str):
        return (datetime.fromisoformat(told) - _EPOCH) // timedelta(microseconds=1)
    return round(told * 1_000_000)


class Told:
    """One server's answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx2.Client(base_url=url, timeout=300)

    def say(self, lines: list[bytes]) -> None:
        """Send records in this order, several requests in flight, and wait until they can be read."""
        parts = [lines[first : first + _BATCH] for first in range(0, len(lines), _BATCH)]
        batches = [Batch(b"\n".join(part), len(part), 0, None, tuple(range(len(part)))) for part in parts]
        client, token = Client(self.url, None), None
        for batch, answer in send(client, batches):
            assert answer["rejected"] == []
            assert answer["accepted"] == batch.records
            token = answer["token"]
        if token is not None:
            client.wait_visible(token)

    def get(self, path: str, **parameters: Any) -> Json:
        answer = self.http.get(path, params={name.rstrip("_"): value for name, value in parameters.items()})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def transactions(self, **parameters: Any) -> list[Json]:
        """Every page of a list."""
        rows: list[Json] = []
        token: Json = {}
        while True:
            page = self.get("/v1/transactions", page_size=1000, count="none", **parameters, **token)
            rows += page["transactions"]
            if page["next_page_token"] is None:
                return rows
            token = {"page_token": page["next_page_token"]}

    def blocks(self, id: str) -> list[Json]:
        """Every page of a transaction's executions."""
        rows: list[Json] = []
        token: Json = {}
        while True:
            page = self.get(f"/v1/transactions/{id}/blocks", page_size=1000, **token)
            rows += page["blocks"]
            if page["next_page_token"] is None:
                return rows
            token = {"page_token": page["next_page_token"]}

    def total(self, q: str) -> int:
        """How many transactions match."""
        page = self.get("/v1/transactions", q=q, page_size=1, count="exact")
        assert page["total_is_exact"]
        return int(page["total"])

    def by_block(self, **parameters: Any) -> dict[tuple[str, str], Json]:
        """Statistics of executions by (flow, block)."""
        answer = self.get("/v1/statistics", group_by="flow,block", **parameters)
        assert answer["complete"]
        return {
            (bucket["group"]["flow"], bucket["group"]["block"]): bucket
            for bucket in answer["buckets"]
            if bucket["group"]["block"] is not None
        }

    def executions(self) -> Counter[tuple[str, str, str]]:
        """How many executions came to which end, by (flow, block, status)."""
        found: Counter[tuple[str, str, str]] = Counter()
        for (flow, block), bucket in self.by_block().items():
            for status in ("succeeded", "failed", "skipped"):
                if count := bucket["executions"][status]:
                    found[flow, block, status] = count
        return found

    def edges(self, flows: Iterable[str]) -> dict[tuple[str, str, str], Json]:
        """Every edge by (flow, from, to)."""
        return {
            (flow, edge["from"], edge["to"]): edge
            for flow in flows
            for edge in self.get(f"/v1/flows/{flow}")["edges"]
        }

    def everything(self, flows: Iterable[str]) -> Json:
        """All that lists, statistics and flow graphs say, without the instant they were asked at: equal states and
        equal views answer alike."""
        return {
            "transactions": {row["id"]: row for row in self.transactions()},
            "statistics": self.get("/v1/statistics", group_by="flow,block", step="1d")["buckets"],
            "edges": self.edges(flows),
        }
