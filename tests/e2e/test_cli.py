"""The command line against a running server and against stores: what it prints, and how it ends."""

import io
import json
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from flowtrail.cli import settings
from flowtrail.cli.commands import run
from flowtrail.cli.tail import follow
from flowtrail.cli.target import Client
from flowtrail.server.run import serving
from flowtrail.simulator.story import story

NOW = 1_790_000_000_000_000
PROGRAM = [sys.executable, "-m", "flowtrail"]


def lines(records) -> bytes:
    return b"\n".join(msgspec.json.encode(record) for record in records)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A server that knows the story of order 4711, and its store."""
    store = f"sqlite:{tmp_path_factory.mktemp('cli')}/store"
    with serving(store, writing=True) as url:
        client = Client(url, None)
        client.wait_visible(client.records(lines(story(NOW)))["token"])
        yield SimpleNamespace(url=url, store=store, client=client)


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Neither a server of this machine nor a store in this directory answers by accident."""
    monkeypatch.setattr(settings, "DEFAULT_URL", f"http://127.0.0.1:{free_port()}")
    for name in ("FLOWTRAIL_URL", "FLOWTRAIL_STORE", "FLOWTRAIL_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def flowtrail(capsys):
    """Runs a command in this process: its exit code and what it printed."""

    def call(*words: str) -> SimpleNamespace:
        capsys.readouterr()
        code = run(words)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return call


# --- reading -------------------------------------------------------------------------------------------------


def test_show_tells_the_newest_failure_and_its_exception_first(flowtrail, told):
    shown = flowtrail("show", "4711", "--url", told.url)

    assert shown.code == 0
    order = [
        "order 4711  failed",
        "✘ deliver failed on attempt 2",
        "UnknownArticle",
        "KeyError",
        "TimeoutError",
    ]
    places = [shown.out.index(text) for text in [*order, "✔ receive", "the ERP refused the order"]]
    assert places == sorted(places)
    assert "░" in shown.out
    assert "█" in shown.out
    assert "waited 2.95 s, worked 420 ms, attempt 2" in shown.out
    assert "erp/client.py:88 in post_order" in shown.out


def test_show_names_the_predicate_of_a_skip_which_is_no_failure(flowtrail, told):
    shown = flowtrail("show", "4707", "--url", told.url)

    assert "skipped by allowed_country (not served): expected ['AT', 'CH', 'DE'], was AQ" in shown.out
    assert "✘" not in shown.out


def test_show_takes_ids_and_keys_and_says_when_more_match(flowtrail, told):
    by_id = json.loads(flowtrail("show", "4711", "--json", "--url", told.url).out)

    assert by_id["lineage"]["parents"] == []
    assert json.loads(flowtrail("show", by_id["id"].upper(), "--json", "--url", told.url).out) == by_id
    by_key = flowtrail("show", "C-1", "--url", told.url)
    assert by_key.code == 0
    assert "transactions match; this is the newest" in by_key.err


@pytest.mark.parametrize("wanted", ["4799", "f" * 32])
def test_what_is_not_there_ends_with_3(flowtrail, told, wanted):
    shown = flowtrail("show", wanted, "--url", told.url)

    assert (shown.code, shown.out) == (3, "")
    assert shown.err.startswith("flowtrail: ")


def test_show_tells_every_execution_of_a_long_transaction(flowtrail, told):
    key = "ab" * 16
    opened = {"kind": "transaction", "id": key, "flow": "long", "object_type": "batch", "object_id": "long"}
    steps = [
        {"kind": "block", "transaction": key, "id": f"{n:016x}", "block": f"b{n}", "started_at": NOW + n}
        for n in range(1, 1_101)
    ]
    answer = told.client.records(lines([{**opened, "created_at": NOW}, *steps]))
    told.client.wait_visible(answer["token"])

    shown = flowtrail("show", "long", "--url", told.url)

    assert " b1 " in shown.out
    assert " b1100 " in shown.out


def test_foreign_text_cannot_drive_the_terminal(flowtrail, told):
    key = "cd" * 16
    record = {
        "kind": "transaction",
        "id": key,
        "flow": "\x1b[2Jflow",
        "object_type": "order",
        "object_id": "\x1b]0;x",
    }
    answer = told.client.records(lines([{**record, "created_at": NOW}]))
    told.client.wait_visible(answer["token"])

    for words in (["show", key], ["list", "-flow:shop-to-erp"], ["stats"]):
        printed = flowtrail(*words, "--url", told.url)
        assert printed.code == 0
        assert "\x1b" not in printed.out


def test_list_takes_queries_with_hyphens_and_limits(flowtrail, told):
    everything = flowtrail("list", "flow:shop-to-erp", "--url", told.url)
    others = flowtrail("list", "flow:shop-to-erp", "-status:delivered", "--url", told.url)
    one = flowtrail("list", "flow:shop-to-erp", "--limit", "1", "--json", "--url", told.url)

    assert everything.out.count("\n") == 16
    assert {line.split()[3] for line in others.out.splitlines()[1:]} == {"4707", "4711"}
    assert len(json.loads(one.out)["transactions"]) == 1
    assert json.loads(one.out)["total"] == 15


def test_stats_of_an_empty_store_say_so(flowtrail, tmp_path):
    (tmp_path / "log").write_text("")
    flowtrail("import", "records", "log", "--store", f"sqlite:{tmp_path}/empty")

    told = flowtrail("stats", "--store", f"sqlite:{tmp_path}/empty")

    assert (told.code, told.err) == (0, "nothing is counted yet\n")


def test_stats_shows_blocks_and_flows(flowtrail, told):
    by_block = flowtrail("stats", "flow:shop-to-erp", "--url", told.url)
    by_flow = flowtrail("stats", "flow:shop-to-erp", "--group-by", "flow", "--url", told.url)
    as_json = flowtrail("stats", "flow:shop-to-erp", "--group-by", "block", "--json", "--url", told.url)

    assert [line.split()[1] for line in by_block.out.splitlines()[1:]] == [
        "deliver", "map", "receive", "validate", "(whole)"
    ]  # fmt: skip
    assert by_flow.out.splitlines()[1].split()[:4] == ["shop-to-erp", "15", "1", "1"]
    assert {bucket["group"]["block"] for bucket in json.loads(as_json.out)["buckets"]} >= {"map", "deliver"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["list", "statu:failed"], 2, "statu"),
        (["list", "--lmit", "3"], 2, "--lmit"),
        (["list", "--limit", "0"], 2, "--limit"),
        (["list", "--limit", "many"], 2, "many"),
        (["list", "--from", "yesterday-ish"], 2, "from"),
        (["list", "--sort", "size"], 2, "sort"),
        (["stats", "--step", "fortnight"], 2, "step"),
        (["show", " "], 2, "name a transaction"),
        (["shw"], 2, "shw"),
        (["tail", "is:late"], 2, "live"),
    ],
)
def test_wrong_words_are_answered_with_a_sentence_and_2(flowtrail, told, words, code, said):
    answered = flowtrail(*words, *(["--url", told.url] if words[0] != "shw" else []))

    assert answered.code == code
    assert said in answered.err
    assert answered.out == ""


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """A server that heard of four sessions, of which two lost something."""
    store = f"sqlite:{tmp_path_factory.mktemp('numbered')}/store"

    def said(producer, *seqs):
        order = {
            "kind": "transaction",
            "flow": "f",
            "object_type": "order",
            "id": "0" * 31 + "1",
            "object_id": "1",
        }
        return [order | {"created_at": NOW, "producer": producer, "seq": seq} for seq in seqs]

    report = {"kind": "report", "at": NOW, "producer": "till-7/a\x1b[31m", "seq": 2, "produced": 9, "sent": 2}
    with serving(store, writing=True) as url:
        client = Client(url, None)
        told = [*said("shop-1/a", 1, 2, 6, 8, 10, 12), *said("shop-1/b", 1), *said("shop/a", 1, 2)]
        told += [*said(report["producer"], 1), report | {"dropped": {"full": 4}}]
        client.wait_visible(client.records(lines(told))["token"])
        yield SimpleNamespace(url=url, store=store)


def test_producers_shows_what_is_missing_of_whom(flowtrail, numbered):
    shown = flowtrail("producers", "--url", numbered.url)

    assert shown.code == 0
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.out.splitlines()}
    assert rows["shop-1/a"].startswith("gaps 6 6 0 0 ")
    assert rows["shop-1/a"].endswith("missing 3–5, 7, 9, …")
    assert rows["shop-1/b"].startswith("complete 1 0 0 0 ")
    assert rows["till-7/a�[31m"].endswith("dropped 4 (full); 3 not sent yet when it last reported")
    assert "\x1b" not in shown.out
    assert "4 shown of 4 sessions; in all 6 missing, 4 dropped" in shown.err

    assert len(flowtrail("producers", "shop-1", "--url", numbered.url).out.splitlines()) == 3
    assert len(flowtrail("producers", "--verdict", "gaps,lost", "--url", numbered.url).out.splitlines()) == 3
    cut = flowtrail("producers", "--limit", "1", "--url", numbered.url)
    assert (len(cut.out.splitlines()), "there are more: --limit" in cut.err) == (2, True)


def test_producers_gives_the_apis_answer_of_a_server_and_of_its_store(flowtrail, numbered):
    asked = flowtrail("producers", "--json", "--url", numbered.url)
    again = flowtrail("producers", "--json", "--store", numbered.store)

    told = json.loads(asked.out)
    names = ["shop-1/a", "shop-1/b", "shop/a", "till-7/a\x1b[31m"]
    assert [each["producer"] for each in told["producers"]] == names
    assert told["totals"]["missing"] == 6
    assert told["next_page_token"] is None
    gaps = [each["gaps"] for each in told["producers"]]
    assert [each["gaps"] for each in json.loads(again.out)["producers"]] == gaps


def test_producers_refuses_what_cannot_be_meant_and_says_when_there_are_none(flowtrail, numbered, told):
    wrong = flowtrail("producers", "--verdict", "fine", "--url", numbered.url)
    assert (wrong.code, "gaps, lost, silent, complete" in wrong.err) == (2, True)
    assert flowtrail("producers", "--limit", "0", "--url", numbered.url).code == 2

    none = flowtrail("producers", "nobody", "--url", numbered.url)
    assert (none.code, none.out) == (0, "")
    assert "no producer has numbered its records" in flowtrail("producers", "--url", told.url).err


# --- where a command looks -----------------------------------------------------------------------------------


def test_a_store_answers_like_its_server_while_that_holds_it(flowtrail, told):
    words = ("list", "flow:shop-to-erp", "--json")

    assert flowtrail(*words, "--store", told.store).out == flowtrail(*words, "--url", told.url).out


def test_writing_to_a_store_that_a_server_holds_is_refused_with_its_address(told, tmp_path):
    (tmp_path / "x.ndjson").write_bytes(lines(story(NOW)))

    for words in (["import", "records", "x.ndjson"], ["rebuild"]):
        refused = subprocess.run(
            [*PROGRAM, *words, "--store", told.store],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert refused.returncode == 1
        assert told.url.removeprefix("http://") in refused.stderr
        assert "Traceback" not in refused.stderr


def test_the_environment_names_a_server(flowtrail, told, monkeypatch):
    monkeypatch.setenv("FLOWTRAIL_URL", told.url)

    assert flowtrail("show", "4711").code == 0


def test_a_server_on_the_default_port_is_found(flowtrail, told, monkeypatch):
    monkeypatch.setattr(settings, "DEFAULT_URL", told.url)

    assert flowtrail("show", "4711").code == 0


def test_without_server_and_store_it_says_how_to_get_one(flowtrail):
    answered = flowtrail("list")

    assert answered.code == 1
    assert "flowtrail serve" in answered.err


@pytest.mark.parametrize(
    ("where", "code"),
    [
        (["--url", "http://127.0.0.1:1"], 1),
        (["--url", "not an address"], 1),
        (["--url", "http://[::1"], 2),
        (["--store", "sqlite:./nothing-here"], 1),
        (["--store", "postgres://x"], 2),
        (["--url", "http://127.0.0.1:1", "--store", "memory:"], 2),
    ],
)
def test_an_address_that_leads_nowhere_is_told(flowtrail, where, code):
    answered = flowtrail("list", *where)

    assert answered.code == code
    assert answered.err.startswith("flowtrail: ")


# --- importing -----------------------------------------------------------------------------------------------


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
    good, bad = lines(story(NOW)).split(b"\n")[:2], b'{"kind":"block","id":"1"}'
    (tmp_path / "x.ndjson").write_bytes(b"\n".join([good[0], b"", bad, good[1]]))

    answered = flowtrail("import", "records", "x.ndjson", "--url", told.url)

    assert answered.code == 1
    assert "2 records accepted, 1 rejected" in answered.err
    assert "row 3" in answered.err


def test_standard_input_is_read(told, tmp_path):
    done = subprocess.run(
        [*PROGRAM, "import", "records", "-", "--json", "--url", told.url],
        input=lines(story(NOW)),
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
    (tmp_path / "x.ndjson").write_bytes(lines(story(NOW)))
    words = ("import", "records", "x.ndjson", "--url", f"http://127.0.0.1:{port}")
    importing = threading.Thread(target=lambda: code.append(run(words)))

    importing.start()
    with serving("memory:", writing=True, port=port):
        importing.join(60)

    assert code == [0]


# --- operating -----------------------------------------------------------------------------------------------


def test_check_prints_heads_that_it_can_be_held_to(flowtrail, told):
    report = json.loads(flowtrail("check", "--store", told.store, "--json").out)
    (head,) = report["heads"]

    assert report["ok"] is True
    assert flowtrail("check", "--store", told.store, "--expect", head["kept"]).code == 0
    assert flowtrail("check", "--store", told.store, "--expect", "0" * 64).code == 1
    assert flowtrail("check", "--store", told.store, "--expect", "a word").code == 2
    assert flowtrail("check", "--store", "sqlite:./nothing").code == 1


def test_rebuild_makes_the_same_views(flowtrail, tmp_path):
    (tmp_path / "x.ndjson").write_bytes(lines(story(NOW)))
    assert flowtrail("import", "records", "x.ndjson", "--store", "sqlite:./s").code == 0
    before = flowtrail("list", "--json", "--store", "sqlite:./s").out

    rebuilt = flowtrail("rebuild", "--store", "sqlite:./s", "--json")

    assert json.loads(rebuilt.out)["records"] == len(list(story(NOW)))
    assert flowtrail("list", "--json", "--store", "sqlite:./s").out == before


def test_doctor_finds_nothing_wrong_with_a_good_set_up(flowtrail, told):
    looked = flowtrail("doctor", "--store", told.store, "--url", told.url, "--json")

    findings = json.loads(looked.out)
    assert [each for each in findings if not each["well"]] == []
    assert {"python", "disk", "fsync", "store", "views", "server", "readiness"} <= {
        each["what"] for each in findings
    }
    assert looked.code == 0


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        ([], "flowtrail serve"),
        (["--store", "sqlite:./nothing"], "flowtrail serve --store sqlite:./nothing"),
        (["--store", "postgres:x"], "sqlite:DIRECTORY"),
        (["--url", "http://127.0.0.1:1"], "flowtrail serve"),
    ],
)
def test_doctor_says_what_is_wrong_and_how_to_mend_it(flowtrail, words, mend):
    looked = flowtrail("doctor", *words)

    assert looked.code == 1
    assert "BAD" in looked.out
    assert mend in looked.out


def test_doctor_sees_that_a_key_is_missing(flowtrail, monkeypatch):
    with serving("memory:", writing=True, api_key="a-long-secret") as url:
        looked = flowtrail("doctor", "--url", url)
        assert (looked.code, "FLOWTRAIL_API_KEY" in looked.out) == (1, True)

        monkeypatch.setenv("FLOWTRAIL_API_KEY", "a-long-secret")
        assert flowtrail("doctor", "--url", url).code == 0


# --- following -----------------------------------------------------------------------------------------------


def test_tail_goes_on_after_the_server_was_started_again(tmp_path):
    port, seen = free_port(), []
    store, url = f"sqlite:{tmp_path}/s", f"http://127.0.0.1:{port}"
    arrived = threading.Condition()

    def watch() -> None:
        for kind, data in follow(Client(url, None), "type:order"):
            with arrived:
                seen.append((kind, data.get("object_id")))
                arrived.notify_all()

    def tell(number: int) -> None:
        client = Client(url, None)
        record = {"kind": "transaction", "id": f"{number:032x}", "flow": "f", "object_type": "order"}
        client.wait_visible(
            client.records(lines([{**record, "object_id": str(number), "created_at": NOW}]))["token"]
        )

    def shown(number: int) -> bool:
        with arrived:
            return arrived.wait_for(lambda: ("match", str(number)) in seen, 30)

    with serving(store, writing=True, port=port):
        threading.Thread(target=watch, daemon=True).start()
        for number in range(1, 40):
            tell(number)
            with arrived:
                if arrived.wait_for(lambda: bool(seen), 0.5):
                    break
        assert seen
    with serving(store, writing=True, port=port):
        tell(100)
        assert shown(100)
    assert len([each for each in seen if each == ("match", "100")]) == 1


def test_tail_says_when_nobody_answers(flowtrail):
    answered = flowtrail("tail", "--url", "http://127.0.0.1:1")

    assert answered.code == 1
    assert "does not answer" in answered.err


# --- as a program --------------------------------------------------------------------------------------------


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


def test_an_import_that_waits_for_its_server_ends_at_once_with_ctrl_c(tmp_path):
    (tmp_path / "x.ndjson").write_bytes(lines(story(NOW)))
    command = [*PROGRAM, "import", "records", "x.ndjson", "--url", f"http://127.0.0.1:{free_port()}"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as importing:
        with pytest.raises(subprocess.TimeoutExpired):
            importing.wait(4)

        importing.send_signal(signal.SIGINT)

        assert importing.wait(20) == 130
        assert importing.stderr is not None
        assert b"Traceback" not in importing.stderr.read()


def test_a_bench_on_a_store_that_it_would_empty_is_refused(flowtrail):
    answered = flowtrail("bench", "--store", "sqlite:./data")

    assert answered.code == 2
    assert "mongodb://" in answered.err
