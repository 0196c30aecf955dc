"""`flowtrail import`: again, in part, from standard input, and with a server that is not there."""

import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from flowtrail.cli.commands import run
from flowtrail.server.run import serving
from flowtrail.simulator.story import story
from tests.support.foreign_logs import write_ocel2
from tests.support.program import NOW, PROGRAM
from tests.support.served import ndjson
from tests.support.server import free_port

pytestmark = pytest.mark.usefixtures("alone")


def test_an_import_can_be_repeated_without_changing_anything(flowtrail, tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("case,activity,start\nA,place,2026-11-23T10:00:00Z\nA,pay,2026-11-23T11:00:00Z\n")
    words = ("import", "csv", str(file), "--ends", "pay=delivered", "--store", "sqlite:./s")

    first = flowtrail(*words, "--json")
    before = flowtrail("show", "A", "--json", "--store", "sqlite:./s").out
    second = flowtrail(*words)

    assert (first.code, second.code) == (0, 0)
    assert json.loads(first.out)["accepted"] == 4
    assert json.loads(before)["status"] == "delivered"
    assert flowtrail("show", "A", "--json", "--store", "sqlite:./s").out == before


def test_what_is_left_out_is_told_by_its_row_and_the_rest_is_imported(flowtrail, told, tmp_path):
    good, bad = ndjson(story(NOW)).split(b"\n")[:2], b'{"kind":"block","id":"1"}'
    (tmp_path / "x.ndjson").write_bytes(b"\n".join([good[0], b"", bad, good[1]]))

    answered = flowtrail("import", "records", "x.ndjson", "--url", told.url)

    assert answered.code == 1
    assert "2 records accepted, 1 rejected" in answered.err
    assert "row 3" in answered.err


def test_of_several_files_it_is_told_which_one(flowtrail, tmp_path):
    for name, instant in (("a", "2026-11-23T10:00:00Z"), ("b", "soon"), ("c", "later")):
        (tmp_path / f"{name}.csv").write_text(f"case,activity,start\n{name},map,{instant}\n")
    words = ("import", "csv", "a.csv", "b.csv", "c.csv", "--store", "sqlite:./s")

    assert flowtrail(*words).err.splitlines()[1:] == [
        f"{name}.csv: row 1, start: this is no instant; received '{received}'; allowed: ISO 8601, such as 2026-11-23T10:00:00Z"
        for name, received in (("b", "soon"), ("c", "later"))
    ]
    told = json.loads(flowtrail(*words, "--json").out)["first_problems"]
    assert [(each["file"], each["row"]) for each in told] == [("b.csv", 1), ("c.csv", 1)]


def test_a_file_of_several_that_is_refused_is_named_with_those_that_are_in(flowtrail, tmp_path):
    (tmp_path / "a.csv").write_text("case,activity,start\nA,map,2026-11-23T10:00:00Z\n")
    (tmp_path / "b.csv").write_text("case,start\n")

    answered = flowtrail("import", "csv", "a.csv", "b.csv", "--store", "sqlite:./s")

    assert answered.code == 2
    assert answered.err.startswith("flowtrail: b.csv: say which column is the activity: --activity COLUMN")
    assert answered.err.endswith("; imported before it: a.csv\n")
    assert flowtrail("show", "A", "--store", "sqlite:./s").code == 0


def test_standard_input_is_read(told, tmp_path):
    done = subprocess.run(
        [*PROGRAM, "import", "records", "-", "--json", "--url", told.url],
        input=ndjson(story(NOW)),
        capture_output=True,
        cwd=tmp_path,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rejected"] == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["excel", "log.csv"], 2, "ocel-csv"),
        (["csv", "nowhere.csv"], 3, "nowhere.csv"),
        (["csv", "log.csv", "--sorce", "x"], 2, "--sorce"),
        (["csv", "log.csv", "--case", "order"], 2, "case, activity, start"),
        (["csv"], 2, "FILES"),
    ],
)
def test_an_import_that_cannot_be_meant_is_refused(flowtrail, told, tmp_path, words, code, said):
    (tmp_path / "log.csv").write_text("case,activity,start\n")

    answered = flowtrail("import", *words, "--url", told.url)

    assert answered.code == code
    assert said in answered.err


def test_a_directory_is_none_and_its_files_are_to_be_named(flowtrail, told, tmp_path):
    (tmp_path / "my logs").mkdir()

    answered = flowtrail("import", "csv", "my logs", "--url", told.url)

    assert answered.code == 2
    assert "my logs is a directory" in answered.err
    assert "flowtrail import csv 'my logs'/*" in answered.err


def test_a_file_that_may_not_be_read_is_told_before_anything_is_sent(flowtrail, told, tmp_path, monkeypatch):
    for name in ("good.ndjson", "secret.ndjson"):
        (tmp_path / name).write_bytes(ndjson(story(NOW)))

    def guarded(self, *rest, _open=Path.open, **more):
        if self.name == "secret.ndjson":
            raise PermissionError(13, "Permission denied", str(self))
        return _open(self, *rest, **more)

    monkeypatch.setattr(Path, "open", guarded)
    answered = flowtrail("import", "records", "good.ndjson", "secret.ndjson", "--url", told.url)

    assert answered.code == 1
    assert answered.err == "flowtrail: secret.ndjson cannot be read: Permission denied\n"


@pytest.mark.parametrize("format", ["records", "csv", "xes", "ocel2", "spans-parquet"])
def test_a_file_whose_reading_fails_is_named(flowtrail, told, format):
    # Readable to look at, and an error to read: its first page belongs to nobody.
    answered = flowtrail("import", format, "/proc/self/mem", "--url", told.url)

    assert answered.code == 1
    assert "cannot be read" in answered.err
    assert "Input/output error" in answered.err


@pytest.mark.parametrize("format", ["records", "ocel2"])
def test_a_pipe_is_read_like_a_file(told, tmp_path, format):
    """As a shell's `<(zstdcat log.zst)` gives one; some formats are read twice."""
    if format == "ocel2":
        write_ocel2(tmp_path / "log", 3)
    else:
        (tmp_path / "log").write_bytes(ndjson(story(NOW)))
    os.mkfifo(tmp_path / "pipe")
    words = [*PROGRAM, "import", format, "--json", "--url", told.url]

    by_name = subprocess.run([*words, "log"], capture_output=True, cwd=tmp_path, check=False)
    with subprocess.Popen(["sh", "-c", "cat log > pipe"], cwd=tmp_path) as writer:
        piped = subprocess.run([*words, "pipe"], capture_output=True, cwd=tmp_path, check=False, timeout=60)
        writer.wait(10)

    assert piped.returncode == 0, piped.stderr
    assert json.loads(piped.stdout)["accepted"] == json.loads(by_name.stdout)["accepted"] > 0


def test_an_import_goes_on_when_the_server_comes_back(flowtrail, tmp_path):
    port, code = free_port(), []
    (tmp_path / "x.ndjson").write_bytes(ndjson(story(NOW)))
    words = ("import", "records", "x.ndjson", "--url", f"http://127.0.0.1:{port}")
    importing = threading.Thread(target=lambda: code.append(run(words)))

    importing.start()
    with serving("memory:", writing=True, port=port):
        importing.join(60)

    assert code == [0]


def test_an_import_that_waits_for_its_server_ends_at_once_with_ctrl_c(tmp_path):
    (tmp_path / "x.ndjson").write_bytes(ndjson(story(NOW)))
    command = [*PROGRAM, "import", "records", "x.ndjson", "--url", f"http://127.0.0.1:{free_port()}"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as importing:
        with pytest.raises(subprocess.TimeoutExpired):
            importing.wait(4)

        importing.send_signal(signal.SIGINT)

        assert importing.wait(20) == 130
        assert importing.stderr is not None
        assert importing.stderr.read().splitlines()[-1] == b"interrupted"
