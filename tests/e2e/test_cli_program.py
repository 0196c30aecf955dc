"""`flowtrail` as a program: its help, its directory, its reader, its extra, and errors nobody foresaw."""

import io
import json
import os
import select
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flowtrail.cli.target import Client
from flowtrail.model.clock import now_us
from flowtrail.simulator.story import story
from tests.support.program import NOW, PROGRAM
from tests.support.served import ndjson

pytestmark = pytest.mark.usefixtures("alone")


def test_a_reader_that_goes_away_is_no_error(told):
    command = [*PROGRAM, "list", "--json", "--url", told.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listing:
        assert isinstance(listing.stdout, io.BufferedReader)
        listing.stdout.close()
        assert listing.stderr is not None
        told_on_stderr = listing.stderr.read()
        assert listing.wait(30) == 0
    assert b"Traceback" not in told_on_stderr
    assert b"BrokenPipe" not in told_on_stderr


def test_ctrl_c_is_answered_with_a_word(told):
    command = [*PROGRAM, "tail", "--json", "--url", told.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as following:
        assert following.stdout is not None
        client = Client(told.url, None)
        while not select.select([following.stdout], [], [], 0.2)[0]:
            client.records(ndjson(story(now_us())))  # what is told before it follows is not shown
        following.send_signal(signal.SIGINT)
        assert following.wait(20) == 130
        assert following.stderr is not None
        assert following.stderr.read() == b"interrupted\n"


def test_ctrl_c_before_anything_is_loaded_is_answered_likewise():
    code = (
        "import sys, flowtrail.cli\n"
        "class Quick:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'flowtrail.cli.commands': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Quick())\n"
        "flowtrail.cli.main()\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (130, b"interrupted\n")


@pytest.mark.parametrize(("words", "code"), [(("list",), 0), (("show", "nobody"), 3)])
def test_a_reader_of_complaints_that_goes_away_changes_nothing(told, words, code):
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        [*PROGRAM, *words, "--url", told.url], stdout=subprocess.PIPE, stderr=writer, check=False
    )

    os.close(writer)
    assert (done.returncode, bool(done.stdout)) == (code, code == 0)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_no_error(told, tmp_path, closed):
    words = shlex.join([*PROGRAM, "list", "--url", told.url])
    done = subprocess.run(["sh", "-c", f"{words} {closed}"], capture_output=True, check=False)

    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)

    log = tmp_path / "log"
    log.write_bytes(ndjson([{"kind": "flow", "flow": "f", "version": "1", "at": NOW}]))
    words = shlex.join([*PROGRAM, "import", "records", "-", str(log), "--store", f"sqlite:{tmp_path}/store"])
    assert (
        subprocess.run(["sh", "-c", f"{words} {closed}"], stdin=subprocess.DEVNULL, check=False).returncode
        == 0
    )


def test_help_names_every_command_with_what_it_does():
    done = subprocess.run([*PROGRAM, "--help"], capture_output=True, text=True, check=True)

    for name in (
        "serve",
        "demo",
        "import",
        "list",
        "show",
        "tail",
        "stats",
        "producers",
        "rebuild",
        "check",
        "doctor",
        "bench",
    ):
        assert f"│ {name} " in done.stdout


def test_without_the_server_extra_it_says_what_to_install(monkeypatch, capsys):
    from flowtrail import cli

    monkeypatch.setattr(cli, "_NEEDED", ("a_library_that_is_not_there",))

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 1
    assert "pip install 'flowtrail[server]'" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_standard_output_cannot_encode_is_told_all_the_same(tmp_path, encoding):
    log = {"kind": "transaction", "flow": "f", "object_type": "o", "object_id": "ł-ü-🙂", "created_at": NOW}
    (tmp_path / "log").write_bytes(ndjson([{**log, "id": "1" * 32}]))
    environment = {**os.environ, "PYTHONIOENCODING": encoding}

    def told(*words: str) -> bytes:
        given = [*PROGRAM, *words, "--store", f"sqlite:{tmp_path}/store"]
        done = subprocess.run(given, capture_output=True, env=environment, check=False)
        assert (done.returncode, b"nobody foresaw" in done.stderr) == (0, False)
        return done.stdout

    told("import", "records", str(tmp_path / "log"))
    (found,) = json.loads(told("list", "--json").decode(encoding))["transactions"]
    assert found["object_id"] == log["object_id"]
    for words in (["list"], ["show", "1" * 32]):
        assert "ł-ü-🙂".encode(encoding, "backslashreplace") in told(*words)


def test_the_program_runs_from_any_directory(tmp_path: Path):
    done = subprocess.run([*PROGRAM, "list"], capture_output=True, text=True, cwd=tmp_path, check=False)

    assert done.returncode in {0, 1}
    assert "Traceback" not in done.stderr


def test_an_error_nobody_foresaw_is_one_sentence(flowtrail, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("flowtrail.cli.listing.connected", broken)

    answered = flowtrail("list")

    assert answered.code == 1
    assert "ZeroDivisionError" in answered.err
    assert "FLOWTRAIL_DEBUG" in answered.err
