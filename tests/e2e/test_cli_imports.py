"""`flowtrail import`: again, in part, from standard input, and with a server that is not there."""

import json
import signal
import subprocess
import threading

import pytest

from flowtrail.cli.commands import run
from flowtrail.server.run import serving
from flowtrail.simulator.story import story
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
        assert b"Traceback" not in importing.stderr.read()
