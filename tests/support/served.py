"""A real server over real sockets, in this process, whose parts a test can reach and break."""

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from flowtrail.server.assembling import assemble, intake_of, take_apart
from flowtrail.server.embedded import answering
from flowtrail.server.http import HttpServer
from flowtrail.server.listening import address_of, bind
from flowtrail.server.services import Services
from flowtrail.server.settings import Settings
from flowtrail.server.supervisor import supervised
from flowtrail.storage import open_store
from flowtrail.storage.interface import Store

NDJSON = {"Content-Type": "application/x-ndjson"}

Json = dict[str, Any]


@dataclass(slots=True)
class Served:
    """A running server. `store` is what it works on; faults can be put in before it starts."""

    url: str
    client: httpx2.Client
    services: Services
    store: Store
    server: HttpServer

    def post(self, *records: Json, **headers: str) -> httpx2.Response:
        return self.client.post("/v1/records", content=ndjson(records), headers=NDJSON | headers)

    def written(self, *records: Json) -> str:
        """The token of these records, all accepted."""
        answer = self.post(*records)
        assert answer.status_code == 200, answer.text
        assert answer.json()["rejected"] == []
        return str(answer.json()["token"])

    def seen(self, *records: Json) -> None:
        """Have these records visible."""
        token = self.written(*records)
        answer = self.client.get("/v1/flows", headers={"Flowtrail-After": token})
        assert answer.status_code == 200, answer.text

    def get(self, path: str, **parameters: str) -> httpx2.Response:
        return self.client.get(path, params=parameters)

    def raw(self, sent: bytes) -> bytes:
        """What comes back for these very bytes until the server closes, or stays silent for a second."""
        place = urlsplit(self.url)
        with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
            connection.sendall(sent)
            connection.settimeout(1)
            got = b""
            try:
                while more := connection.recv(65_536):
                    got += more
            except (TimeoutError, ConnectionResetError):
                pass
            return got


@contextmanager
def served(
    url: str = "memory:",
    *,
    store: Store | None = None,
    writing: bool = True,
    projecting: bool = True,
    key: str | None = None,
    **settings: Any,
) -> Iterator[Served]:
    """A server on `store`, or on the store at `url`."""
    chosen = Settings(store=url, port=0, api_key=key, **{"drain_s": 5, **settings})
    with ExitStack() as stack:
        listener = bind("127.0.0.1", 0)
        stack.callback(listener.close)
        if store is None:
            store = open_store(url, address=address_of(listener))
            stack.callback(store.close)
        projector = supervised(store, url) if projecting else None
        intake = intake_of(chosen, store, projector.wake if projector else None) if writing else None
        if projector is not None:
            stack.callback(projector.stop, 0)
            projector.start()
        if intake is not None:
            stack.callback(intake.close, 2)
            intake.start()
        services = assemble(chosen, store, address_of(listener), intake=intake, projector=projector)
        stack.callback(take_apart, services)
        server = stack.enter_context(answering(services, listener))
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        client = stack.enter_context(httpx2.Client(base_url=services.address, headers=headers, timeout=30))
        yield Served(services.address, client, services, store, server)


def ndjson(records: Iterable[Json]) -> bytes:
    return b"\n".join(json.dumps(record).encode() for record in records)


def transaction(number: int = 1, **more: Any) -> Json:
    """An order's announcement."""
    return {
        "kind": "transaction",
        "id": transaction_id(number),
        "flow": "shop-to-erp",
        "object_type": "order",
        "object_id": str(4710 + number),
        "keys": {"customer": "C-9"},
        "created_at": "2026-11-23T10:00:00.000120Z",
    } | more


def block(number: int = 1, execution: int = 1, **more: Any) -> Json:
    """A finished execution."""
    return {
        "kind": "block",
        "transaction": transaction_id(number),
        "id": f"{execution:016x}",
        "block": "map",
        "stage": "processing",
        "status": "succeeded",
        "queued_at": "2026-11-23T10:00:00.200Z",
        "started_at": "2026-11-23T10:00:00.250Z",
        "ended_at": "2026-11-23T10:00:01.750Z",
    } | more


def end(number: int = 1, outcome: str = "delivered", **more: Any) -> Json:
    """How an order ended."""
    return {
        "kind": "end",
        "transaction": transaction_id(number),
        "outcome": outcome,
        "ended_at": "2026-11-23T10:00:02Z",
    } | more


def report(producer: str, seq: int, *, produced: int, sent: int, **more: Any) -> Json:
    """What a producer session says of itself."""
    return {
        "kind": "report",
        "at": "2026-11-23T10:05:00Z",
        "producer": producer,
        "seq": seq,
        "produced": produced,
        "sent": sent,
        "dropped": {},
    } | more


def transaction_id(number: int = 1) -> str:
    return f"0192e4a0b1c27d3e8f90a1b2{number:08x}"


def problem(answer: httpx2.Response, status: int, code: str) -> Json:
    """The members of a refusal, which is what it must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: Json = answer.json()
    assert told["status"] == status
    assert told["code"] == code, told
    assert told["title"]
    assert told["detail"]
    return told
