"""The logs whose truth is tested: generated ones always, real ones where somebody has put them."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from flowtrail.intake.importers import ImportOptions, open_import
from tests.support.logs import ocel_rows, span_rows, write_ocel, write_spans
from tests.support.recount import Recount, recount_ocel, recount_spans, self_times

VARIABLE = "FLOWTRAIL_DEMO_DATA"
SAMPLED_TRACES = 250
SEED = 4711


def data_folder() -> Path | None:
    """The folder of real logs, when it is there."""
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else None
    return folder if folder is not None and folder.is_dir() else None


def report_header() -> str:
    """What a test report says of the real logs."""
    folder = data_folder()
    if folder is None:
        return f"real logs: none ({VARIABLE} names no folder); truth is tested on generated logs only"
    return f"real logs: {folder}"


@dataclass
class Log:
    """A log: its records as the importer says them, what they must come out as, and reference answers."""

    lines: list[bytes]
    recount: Recount
    self_times: dict[str, int] | None = None
    reference: dict[str, Any] | None = None
    told_shuffled: bool = False
    """Whether the first store hears it shuffled: out of order is the harder way, so a log that is told to one store
    only is told so."""

    @property
    def flows(self) -> list[str]:
        return sorted({flow for flow, _ in self.recount.ways})

    def in_first_order(self) -> list[bytes]:
        """How the first store hears it."""
        return self._shuffled() if self.told_shuffled else self.lines

    def in_other_order(self) -> list[bytes]:
        """The order that the first store did not hear."""
        return self.lines if self.told_shuffled else self._shuffled()

    def _shuffled(self) -> list[bytes]:
        lines = list(self.lines)
        Random(SEED).shuffle(lines)
        return lines


def _lines(format: str, file: Path) -> list[bytes]:
    problems: list[Any] = []
    bodies = [batch.body for batch in open_import(format, file, ImportOptions(), problems.append)]
    assert problems == []
    return [line for body in bodies for line in body.split(b"\n")]


def generated_orders(folder: Path) -> Log:
    file = write_ocel(folder / "orders.csv", ocel_rows(150))
    return Log(_lines("ocel-csv", file), recount_ocel(file))


def generated_spans(folder: Path) -> Log:
    rows = span_rows(120)
    file = write_spans(folder / "spans.parquet", rows, 500)
    return Log(_lines("spans-parquet", file), recount_spans(rows), self_times(rows))


def real_orders(_: Path) -> Log:
    folder = data_folder()
    assert folder is not None
    (file,) = (folder / "ocel_order").glob("*.csv*")
    reference = json.loads((folder / "ocel_order" / "ground_truth.json").read_text())
    return Log(_lines("ocel-csv", file), recount_ocel(file), reference=reference, told_shuffled=True)


def _day() -> Path:
    folder = data_folder()
    assert folder is not None
    (file,) = (folder / "online_boutique").glob("*.parquet")
    return file


def sampled_spans(folder: Path) -> Log:
    """Some whole traces of the real day, as a file of their own."""
    import pyarrow as pa
    from pyarrow import compute, parquet

    table = parquet.read_table(_day())
    traces = sorted(compute.unique(table["trace_id"].cast(pa.string())).to_pylist())
    wanted = pa.array(Random(SEED).sample(traces, SAMPLED_TRACES))
    rows = table.filter(compute.is_in(table["trace_id"].cast(pa.string()), wanted)).to_pylist()
    place = {row["span"]: number for number, row in enumerate(rows)} | {-1: -1}
    for number, row in enumerate(rows):
        row["span"], row["parent"] = number, place[row["parent"]]
    file = write_spans(folder / "sample.parquet", rows)
    return Log(_lines("spans-parquet", file), recount_spans(rows), self_times(rows))


def real_spans(_: Path) -> Log:
    from pyarrow import parquet

    file = _day()
    (truth,) = file.parent.glob("ground_truth*.json")
    rows = parquet.read_table(file).to_pylist()
    reference = json.loads(truth.read_text())
    return Log(_lines("spans-parquet", file), recount_spans(rows), self_times(rows), reference)


GENERATED: dict[str, Callable[[Path], Log]] = {
    "generated orders": generated_orders,
    "generated spans": generated_spans,
}
REAL: dict[str, Callable[[Path], Log]] = (
    {"real orders": real_orders, "sampled spans": sampled_spans} if data_folder() else {}
)
WHOLE_DAY: dict[str, Callable[[Path], Log]] = {"real spans": real_spans} if data_folder() else {}
