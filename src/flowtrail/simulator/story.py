"""A planted failure: order 4711 does not arrive, and everything about it can be found out.

A handful of orders go from a shop to an ERP; most are delivered, one is filtered out because its country is not
served, and order 4711 fails in delivery because the ERP does not know its article, after one attempt that timed out.
"""

from collections.abc import Iterator
from typing import Any, Final

from flowtrail.model.ids import derived_transaction_id

FLOW: Final = "shop-to-erp"
_STEPS: Final = (
    ("receive", "ingress"),
    ("validate", "ingress"),
    ("map", "processing"),
    ("deliver", "egress"),
)
_SECOND: Final = 1_000_000


def story(now_us: int) -> Iterator[dict[str, Any]]:
    """Its records, the last of them ending about now."""
    yield {
        "kind": "flow",
        "flow": FLOW,
        "version": "1",
        "at": now_us - 600 * _SECOND,
        "stages": ["ingress", "processing", "egress"],
        "blocks": [{"name": block, "stage": stage} for block, stage in _STEPS],
        "deadline_s": 300,
    }
    for number in range(4701, 4716):
        began = now_us - (4716 - number) * 20 * _SECOND
        if number == 4711:
            yield from _failing(str(number), began)
        elif number == 4707:
            yield from _filtered(str(number), began)
        else:
            yield from _delivered(str(number), began)


def _id(number: str) -> str:
    return derived_transaction_id("default", "demo", number, FLOW, "order", number).hex()


def _opened(number: str, began: int, country: str = "DE") -> dict[str, Any]:
    return {
        "kind": "transaction",
        "id": _id(number),
        "flow": FLOW,
        "version": "1",
        "object_type": "order",
        "object_id": number,
        "keys": {"customer": f"C-{int(number) % 7}"},
        "attributes": {"country": country, "lines": int(number) % 5 + 1},
        "created_at": began,
        "value": f"{int(number) % 90 + 10}.90",
        "currency": "EUR",
    }


def _step(number: str, began: int, index: int, **more: Any) -> dict[str, Any]:
    block, stage = _STEPS[index]
    queued = began + index * _SECOND
    execution = {
        "kind": "block",
        "transaction": _id(number),
        "id": f"{int(number) * 100 + index + 1:016x}",
        "block": block,
        "stage": stage,
        "status": "succeeded",
        "queued_at": queued,
        "started_at": queued + 40_000 + int(number) % 9 * 11_000,
        "ended_at": queued + 300_000 + int(number) % 11 * 23_000,
        "worker": f"integration-{int(number) % 2 + 1}",
    }
    return execution | more


def _ended(number: str, ended: int, outcome: str, **more: Any) -> dict[str, Any]:
    return {"kind": "end", "transaction": _id(number), "outcome": outcome, "ended_at": ended} | more


def _delivered(number: str, began: int) -> Iterator[dict[str, Any]]:
    yield _opened(number, began)
    for index in range(len(_STEPS)):
        yield _step(number, began, index)
    yield _ended(number, began + 4 * _SECOND, "delivered")


def _filtered(number: str, began: int) -> Iterator[dict[str, Any]]:
    yield _opened(number, began, country="AQ")
    yield _step(number, began, 0)
    skip = {
        "predicate": "allowed_country",
        "reason": "not served",
        "expected": ["AT", "CH", "DE"],
        "actual": "AQ",
    }
    yield _step(number, began, 1, status="skipped", skip=skip)
    yield _ended(number, began + 2 * _SECOND, "filtered", predicate="allowed_country")


def _failing(number: str, began: int) -> Iterator[dict[str, Any]]:
    yield _opened(number, began)
    for index in range(3):
        yield _step(number, began, index)
    timeout = {"type": "TimeoutError", "message": "the ERP did not answer within 5 s"}
    first = began + 3 * _SECOND
    yield _step(
        number,
        began,
        3,
        status="failed",
        started_at=first + 50_000,
        ended_at=first + 5_050_000,
        exceptions=[timeout],
    )
    again = first + 8 * _SECOND
    frames = [
        {
            "module": "erp.client",
            "function": "post_order",
            "file": "erp/client.py",
            "line": 88,
            "in_app": True,
        },
        {
            "module": "erp.articles",
            "function": "resolve",
            "file": "erp/articles.py",
            "line": 41,
            "in_app": True,
        },
    ]
    refused = {
        "type": "UnknownArticle",
        "message": "article 'SKU-0815' is not known to the ERP",
        "module": "erp.articles",
        "frames": frames,
        "cause": {"type": "KeyError", "message": "'SKU-0815'"},
    }
    yield _step(
        number,
        began,
        3,
        id=f"{int(number) * 100 + 50:016x}",
        attempt=2,
        status="failed",
        queued_at=first + 5_050_000,
        started_at=again,
        ended_at=again + 420_000,
        exceptions=[refused],
        details={"article": "SKU-0815", "endpoint": "/orders"},
    )
    yield _ended(number, again + 430_000, "failed", reason="the ERP refused the order")
