"""Records for tests, told as the journey of one object; the same words give the same records, ids included."""

from typing import Any, Self

import msgspec

from flowtrail.model.ids import derived_execution_id, derived_transaction_id
from flowtrail.model.instants import format_instant, parse_instant
from flowtrail.testing.clock import later


class Journey:
    """One object's way through a flow: each block begins where the last one ended.

    ```python
    journey = Journey("order", "4711", flow="shop-to-erp", keys={"customer": "C-9"})
    journey.block("validate", work_s=0.15).block("map", wait_s=0.75, work_s=0.8, failed=KeyError("sku"))
    journey.end("failed")
    ```
    """

    def __init__(
        self,
        object_type: str,
        object_id: str,
        *,
        flow: str = "test",
        at: str | int = "2026-11-23T10:00:00Z",
        id: str | None = None,
        **facts: Any,
    ) -> None:
        """`facts` are further fields of a `transaction` record, such as `keys`, `attributes` and `version`."""
        self._us = parse_instant(at, "at")
        self.id = id or derived_transaction_id("", "", str(self._us), flow, object_type, object_id).hex()
        self._records: list[dict[str, Any]] = [
            {
                "kind": "transaction",
                "id": self.id,
                "flow": flow,
                "object_type": object_type,
                "object_id": object_id,
                "created_at": format_instant(self._us),
                **facts,
            }
        ]

    def block(
        self,
        name: str,
        *,
        wait_s: float = 0.0,
        work_s: float | None = 0.1,
        failed: BaseException | str | None = None,
        skipped: str | None = None,
        **facts: Any,
    ) -> Self:
        """One execution. With `work_s=None` it is still running; `failed` is an exception or a reason, `skipped` a
        predicate; `facts` are further fields of a `block` record. Raises: Refusal, for times that are none."""
        record: dict[str, Any] = {
            "kind": "block",
            "transaction": self.id,
            "id": derived_execution_id(self.id, str(len(self._records))).hex(),
            "block": name,
        }
        if wait_s:
            record["queued_at"] = format_instant(self._us)
            self._pass(wait_s, "wait_s")
        record["started_at"] = format_instant(self._us)
        if work_s is not None:
            self._pass(work_s, "work_s")
            record["ended_at"] = format_instant(self._us)
            record["status"] = "succeeded"
        if failed is not None:
            record["status"] = "failed"
            record["exceptions"] = [_exception(failed)]
        elif skipped is not None:
            record["status"] = "skipped"
            record["skip"] = {"predicate": skipped}
        self._records.append({**record, **facts})
        return self

    def pause(self, seconds: float) -> Self:
        """Let time pass."""
        self._pass(seconds, "seconds")
        return self

    def end(self, outcome: str = "delivered", **facts: Any) -> Self:
        """It ends. `facts` are further fields of an `end` record, such as `reason` and `predicate`."""
        end = {
            "kind": "end",
            "transaction": self.id,
            "outcome": outcome,
            "ended_at": format_instant(self._us),
        }
        self._records.append({**end, **facts})
        return self

    def records(self) -> list[dict[str, Any]]:
        """The records as they stand on the wire."""
        return [dict(record) for record in self._records]

    def lines(self) -> bytes:
        """The records as NDJSON, the body of a `POST /v1/records`."""
        return b"".join(msgspec.json.encode(record) + b"\n" for record in self._records)

    def _pass(self, seconds: float, field: str) -> None:
        self._us = later(self._us, seconds, field)


def _exception(failed: BaseException | str) -> dict[str, Any]:
    if isinstance(failed, str):
        return {"type": "Failure", "message": failed}
    kind = type(failed)
    return {"type": kind.__qualname__, "module": kind.__module__, "message": str(failed)}
