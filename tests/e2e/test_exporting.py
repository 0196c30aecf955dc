"""`flowtrail export` and `import` as processes: files that are whole or not there, and words that explain."""

import csv
import gzip
import json
import os
import socket
import subprocess
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from flowtrail.cli.commands import run
from flowtrail.cli.target import Client
from flowtrail.server.run import serving
from flowtrail.storage import open_store
from tests.support.foreign_logs import write_ocel2, write_xes
from tests.support.program import PROGRAM
from tests.support.stories import bodies, story
from tests.support.views import differences, seen

PATIENCE_S = 120


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A server that was told a story, and its store."""
    folder = tmp_path_factory.mktemp("export")
    store = f"sqlite:{folder}/store"
    with serving(store, writing=True) as url:
        client = Client(url, None)
        for body in bodies(story(6, 300), 1_000):
            token = client.records(body)["token"]
        client.wait_visible(token)
        yield SimpleNamespace(url=url, store=store, client=client)


def clean():
    return {name: value for name, value in os.environ.items() if not name.startswith("FLOWTRAIL_")}


def flowtrail(*words, cwd, stdin=None):
    return subprocess.run(
        [*PROGRAM, *map(str, words)],
        cwd=cwd,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
        env=clean(),
        stdin=stdin,
    )


@contextmanager
def cut_after(url, size):
    """A way to a server that passes on so many bytes of its answer and then hangs up."""
    place = urlsplit(url)

    def once(door):
        one, _ = door.accept()
        with one, socket.create_connection((place.hostname, place.port), timeout=10) as other:
            other.sendall(one.recv(65_536).replace(door_name(door), place.netloc.encode()))
            left = size
            while left > 0 and (more := other.recv(min(left, 65_536))):
                one.sendall(more)
                left -= len(more)

    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=once, args=(door,), daemon=True)
        thread.start()
        yield f"http://{door_name(door).decode()}"
        thread.join(10)


def door_name(door):
    return f"127.0.0.1:{door.getsockname()[1]}".encode()


def test_an_export_is_imported_into_another_store_with_the_same_views(told, tmp_path):
    packed = flowtrail("export", "--format", "xes", "--output", "log.gz", "--url", told.url, cwd=tmp_path)
    with closing(open_store(told.store, create=False)) as store:
        number = sum(1 for _ in store.transactions.iter_states("default"))
    said = f"{number} transactions exported\n".encode()
    assert (packed.returncode, packed.stdout, packed.stderr) == (0, b"", said)
    assert [each.name for each in tmp_path.iterdir()] == ["log.gz"]

    answer = flowtrail("import", "xes", "log.gz", "--store", "sqlite:again", "--json", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["rejected"] == json.loads(answer.stdout)["problems"] == 0

    with (
        closing(open_store(told.store, create=False)) as mine,
        closing(open_store(f"sqlite:{tmp_path}/again", create=False)) as other,
    ):
        found, wanted = seen(other), seen(mine)
    del found["producers"], wanted["producers"]
    assert differences(found, wanted) == []


def test_a_store_exports_what_its_server_exports(told, tmp_path):
    mine = flowtrail("export", "status:delivered", "--format", "csv", "--url", told.url, cwd=tmp_path)
    other = flowtrail(
        "export", "--query", "status:delivered", "--format", "csv", "--store", told.store, cwd=tmp_path
    )

    assert mine.returncode == other.returncode == 0
    assert mine.stdout == other.stdout
    rows = list(csv.DictReader(mine.stdout.decode().splitlines()))
    assert rows
    assert {row["status"] for row in rows} == {"delivered"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--format", "parquet"], 2, "ndjson, csv, ocel2-json, xes"),
        (["--format", "ocel2"], 2, "did you mean ocel2-json?"),
        (["--format", "XES"], 2, "did you mean xes?"),
        (["--format", "csv", "--content", "records"], 2, "transactions, executions"),
        (["status:nope"], 2, "status"),
        (["4711", "--query", "4711"], 2, "not both"),
        (["--fromat", "csv"], 2, "--fromat"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence_and_leaves_no_file(told, words, code, said, tmp_path, capsys):
    found = run(["export", "--output", str(tmp_path / "file"), *words, "--url", told.url])

    assert found == code
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(told, tmp_path, capsys):
    assert run(["export", "--output", str(tmp_path / "none" / "file"), "--url", told.url]) == 1
    said = capsys.readouterr().err
    assert f"a directory that is not there: {tmp_path / 'none'}" in said
    assert "Errno" not in said


def test_what_is_no_file_is_written_to_and_stays_what_it_was(told, tmp_path):
    pipe = tmp_path / "pipe.gz"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        answer = flowtrail("export", "--output", pipe, "--url", told.url, cwd=tmp_path)
        try:
            got, _ = reader.communicate(timeout=10)
        finally:
            reader.kill()

    assert answer.returncode == 0, answer.stderr
    assert gzip.decompress(got) == flowtrail("export", "--url", told.url, cwd=tmp_path).stdout
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_link_stays_a_link(told, tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    link.symlink_to(file)

    assert run(["export", "--output", str(link), "--url", told.url]) == 0

    assert link.is_symlink()
    assert file.stat().st_size > 1_000


def test_what_cannot_be_written_is_told_in_words(told, tmp_path):
    with Path("/dev/full").open("wb") as full:
        words = [*PROGRAM, "export", "--url", told.url]
        answer = subprocess.run(
            words, stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, env=clean(), check=False
        )

    assert answer.returncode == 1
    assert "standard output cannot be written: No space left on device" in answer.stderr.decode()
    assert "Errno" not in answer.stderr.decode()


@pytest.mark.parametrize(
    ("words", "said"),
    [(["xes"], "--format"), (["csv", "status:failed"], "--query csv"), (["--output", "."], "--output")],
)
def test_what_would_look_like_an_empty_log_is_refused(told, capsys, words, said):
    assert run(["export", *words, "--url", told.url]) == 2
    assert said in capsys.readouterr().err


def test_an_export_that_breaks_off_leaves_the_file_that_was_there(told, tmp_path):
    file = tmp_path / "log.ndjson"
    file.write_text("what was there\n")
    with cut_after(told.url, 70_000) as url:
        answer = flowtrail("export", "--output", file, "--url", url, cwd=tmp_path)

    assert answer.returncode == 1
    assert "broke off" in answer.stderr.decode()
    assert file.read_text() == "what was there\n"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("format", "write"), [("xes", write_xes), ("ocel2", write_ocel2)])
def test_a_log_of_others_is_imported_and_says_what_is_odd(format, write, tmp_path):
    write(tmp_path / "log", 200)
    (tmp_path / "log.gz").write_bytes(gzip.compress((tmp_path / "log").read_bytes()))

    first = flowtrail("import", format, "log", "--store", "sqlite:store", cwd=tmp_path)
    again = flowtrail("import", format, "log.gz", "--store", "sqlite:store", "--json", cwd=tmp_path)

    assert first.returncode == again.returncode == 0, first.stderr
    assert ("starts without an end" in first.stderr.decode()) == (format == "xes")
    assert bool(json.loads(again.stdout)["counted"]) == (format == "xes")
    with (tmp_path / "log").open("rb") as raw:
        piped = flowtrail("import", format, "-", "--store", "sqlite:piped", cwd=tmp_path, stdin=raw)
    assert piped.returncode == 0, piped.stderr
    with (
        closing(open_store(f"sqlite:{tmp_path}/store", create=False)) as mine,
        closing(open_store(f"sqlite:{tmp_path}/piped", create=False)) as other,
    ):
        assert differences(seen(other), seen(mine)) == []
