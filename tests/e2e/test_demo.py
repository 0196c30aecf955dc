"""The demonstration: a story, logs, three commands, and nothing left behind."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

import pytest

from flowtrail.cli import demo, settings
from flowtrail.simulator.story import story
from tests.support.logs import ocel_rows, span_rows, write_ocel, write_spans
from tests.support.truth import data_folder

PROGRAM = [sys.executable, "-m", "flowtrail", "demo"]
ANY_PORT = ["--port", "0"]


def environment(place: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOWTRAIL_")}
    return {**kept, "TMPDIR": str(place), **more}


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def demonstrated(place: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *(words if "--port" in words else [*ANY_PORT, *words])],
        capture_output=True,
        text=True,
        env=environment(place, **more),
        timeout=600,
        check=False,
    )


def left_behind(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if path.name.startswith("flowtrail"))


def test_without_a_terminal_it_runs_its_three_commands_and_ends(place):
    done = demonstrated(place)

    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^\$ .*(?:show|list|stats) ", done.stdout, re.MULTILINE)) == 3
    assert "UnknownArticle: article 'SKU-0815' is not known to the ERP" in done.stdout
    assert "14000 records can be read" in done.stdout
    assert done.stdout.index("order 4711 is in") < done.stdout.index("records can be read")
    assert left_behind(place) == []


def test_it_replays_the_logs_of_a_folder(place):
    logs = place / "logs"
    for name in ("ocel_order", "online_boutique"):
        (logs / name).mkdir(parents=True)
    write_ocel(logs / "ocel_order" / "log.csv", ocel_rows(20))
    write_spans(logs / "online_boutique" / "spans.parquet", span_rows(15))

    done = demonstrated(place, FLOWTRAIL_DEMO_DATA=str(logs))

    assert done.returncode == 0, done.stderr
    stats = {line.split()[0]: line.split()[1] for line in done.stdout.split("\nFLOW")[1].splitlines()[1:]}
    assert stats["order"] == "20"
    assert stats["online-boutique"] == "15"
    assert stats["shop-to-erp"] == "15"


@pytest.mark.parametrize("words", [["--data", "nowhere"], []])
def test_a_folder_that_is_not_there_is_told(place, words):
    done = demonstrated(place, *words, FLOWTRAIL_DEMO_DATA=str(place / "missing"))

    assert done.returncode == 3
    assert "there is no folder" in done.stderr


def test_a_folder_without_logs_is_told_and_not_made_up_for(place):
    done = demonstrated(place, "--data", str(place))

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        f"flowtrail: there are no logs in {place}; looked for: ocel_order/*.csv*, online_boutique/*.parquet\n"
    )


def test_a_port_that_is_none_is_told(place):
    done = demonstrated(place, "--port", "99999")

    assert done.returncode == 2
    assert done.stderr == "flowtrail: --port cannot be read: '99999'; allowed: 0 to 65535\n"


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_on_a_terminal_it_waits_for_ctrl_c_and_removes_its_store(place, ending):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *ANY_PORT],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(place, PYTHONFAULTHANDLER="1"),
    )
    os.close(theirs)
    try:
        seen, until = b"", monotonic() + 90
        while b"Ready" not in seen and monotonic() < until:
            if select.select([ours], [], [], 1)[0]:
                seen += os.read(ours, 65_536)
        assert b"Ready. Ctrl-C ends it" in seen
        assert left_behind(place)

        process.send_signal(ending)

        try:
            assert process.wait(60) == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # says where every thread stands
            process.wait()
            pytest.fail(f"it did not end: {os.read(ours, 65_536).decode(errors='replace')}")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert left_behind(place) == []


def test_an_end_that_python_drops_is_known_all_the_same():
    script = (
        "import os, signal, sys\n"
        "from flowtrail.cli.demo import _interrupted_by_any_end\n"
        "class Finalised:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        sum(range(1000))\n"
        "told = _interrupted_by_any_end()\n"
        "Finalised()\n"
        "print('went on', told)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "went on [15]\n"


@pytest.mark.parametrize(("named", "is_named"), [(None, False), ("http://elsewhere", True)])
def test_what_it_recommends_asks_itself_whatever_server_the_environment_names(monkeypatch, named, is_named):
    monkeypatch.delenv("FLOWTRAIL_URL", raising=False)
    if named is not None:
        monkeypatch.setenv("FLOWTRAIL_URL", named)

    commands = demo._commands(settings.DEFAULT_URL)

    assert [words[-2:] == ["--url", settings.DEFAULT_URL] for words in commands] == [is_named] * 3


def test_the_story_is_told_anew_each_time_and_ends_about_now():
    now = 1_790_000_000_000_000
    records = list(story(now))

    instants = [
        record[name] for record in records for name in ("at", "created_at", "ended_at") if name in record
    ]
    assert now - 60_000_000 < max(instants) <= now
    assert [record["id"] for record in records if record["kind"] == "transaction"] == [
        record["id"] for record in story(now + 5_000_000) if record["kind"] == "transaction"
    ]


if data_folder() is not None:

    @pytest.mark.torture
    def test_it_replays_the_real_logs(place):
        done = demonstrated(place, FLOWTRAIL_DEMO_DATA=str(data_folder()))

        assert done.returncode == 0, done.stderr
        stats = {line.split()[0]: line.split()[1] for line in done.stdout.split("\nFLOW")[1].splitlines()[1:]}
        assert stats == {
            "item": "8159",
            "online-boutique": "19107",
            "order": "2000",
            "package": "1325",
            "shop-to-erp": "15",
        }
