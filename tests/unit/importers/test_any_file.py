"""What holds of every importer: any bytes are read or told, records are accepted, files are read as they are asked for."""

import gzip
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail.intake.importers import FORMATS, ImportOptions, open_import
from flowtrail.intake.importers.files import Source
from flowtrail.intake.wire import decode_body
from flowtrail.model.errors import Refusal
from tests.support.foreign_logs import write_ocel2, write_xes
from tests.support.logs import ocel_rows, span_rows, write_ocel, write_spans

NOW = 1_790_000_000_000_000
CELLS = st.text(st.sampled_from("aA1,;\"'\n\r\t []{}\\-:T0Z\x00\ud800é"), max_size=12)
TABLES = st.lists(st.lists(CELLS, max_size=6), max_size=6).map(
    lambda rows: "\n".join(",".join(cells) for cells in rows).encode("utf-8", "surrogatepass")
)
HEADERS = st.sampled_from(
    [
        b"",
        b"case,activity,start\n",
        b"ocel:activity,ocel:timestamp,ocel:type:orders\n",
        b"PAR1",
        b"\x1f\x8b\x08",
        b"<log><trace>",
        b'{"objects":[',
    ]
)


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("any") / "file"


@pytest.mark.parametrize("format", FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=200), TABLES), header=HEADERS)
def test_any_bytes_are_read_or_told(file, format, content, header):
    file.write_bytes(header + content)
    problems = []

    try:
        batches = list(open_import(format, file, ImportOptions(), problems.append))
    except Refusal:
        return

    assert all(str(problem) for problem in problems)
    assert sum(batch.records for batch in batches) == sum(len(batch.rows) for batch in batches)


@pytest.fixture(scope="module")
def logs(tmp_path_factory) -> dict[str, Path]:
    """A log of each format, larger than what is read at once."""
    folder = tmp_path_factory.mktemp("logs")
    table = folder / "log.csv"
    rows = (f"C{n % 997},step {n % 7},2026-11-23T10:00:00.{n % 1000:03}Z,x\n" for n in range(20_000))
    table.write_text("case,activity,start,clerk\n" + "".join(rows))
    ocel = write_ocel(folder / "ocel.csv", ocel_rows(500))
    records = folder / "log.ndjson"
    bodies = (batch.body for batch in open_import("ocel-csv", ocel, ImportOptions(), pytest.fail))
    records.write_bytes(b"\n".join(bodies))
    spans = write_spans(folder / "spans.parquet", span_rows(1_500), 4_000)
    found = {"csv": table, "ocel-csv": ocel, "spans-parquet": spans, "records": records}
    found["xes"] = write_xes(folder / "log.xes", 500)
    found["ocel2"] = write_ocel2(folder / "log.json", 500)
    return found


@pytest.mark.parametrize("format", FORMATS)
def test_a_pipe_that_ends_too_early_is_told(logs, format, tmp_path, monkeypatch):
    cut = tmp_path / "cut"
    cut.write_bytes(gzip.compress(logs[format].read_bytes())[:-20])
    problems = []

    with cut.open("rb") as pipe:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=pipe))
        batches = list(open_import(format, Path("-"), ImportOptions(), problems.append))

    taken = "what stood before was read" if batches else "nothing of it was taken"
    assert problems[-1].message == f"the compressed file ends too early; {taken}"
    assert (format in {"ocel2", "spans-parquet"}) == (not batches)


@pytest.mark.parametrize("format", FORMATS)
def test_what_an_importer_says_is_accepted(logs, format):
    for batch in open_import(format, logs[format], ImportOptions(), pytest.fail):
        decoded = decode_body(batch.body, "application/x-ndjson", None, NOW)

        assert decoded.rejected == []
        assert len(decoded.records) == batch.records


class Watched:
    """Options that tell which of them were looked at."""

    def __init__(self) -> None:
        self.seen = set()

    def __getattr__(self, name):
        self.seen.add(name)
        return getattr(ImportOptions(), name)


@pytest.mark.parametrize("format", FORMATS)
def test_an_importer_names_the_options_that_it_uses(logs, format):
    importer = import_module(f"flowtrail.intake.importers.{format.replace('-', '_')}")
    options = Watched()

    for _ in importer.read(Source(logs[format]), options, pytest.fail):
        pass

    assert options.seen == importer.USES


@pytest.mark.parametrize("format", FORMATS)
def test_an_option_that_would_be_passed_over_is_refused(logs, format):
    if format == "csv":
        told, options = (
            "--relation says nothing about csv; allowed: --source, ",
            ImportOptions(relation=("a=split",)),
        )
    else:
        told, options = f"--case says nothing about {format}; allowed: ", ImportOptions(case="order")

    with pytest.raises(Refusal) as refused:
        open_import(format, logs[format], options, pytest.fail)

    assert refused.value.message.startswith(told)


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_is_read_as_it_is_asked_for(logs, format):
    batches = open_import(format, logs[format], ImportOptions(), pytest.fail)

    done = [batch.done for batch in batches]

    size = logs[format].stat().st_size
    assert done[0] < size
    assert done == sorted(done)
    assert done[-1] == size
