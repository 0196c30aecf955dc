"""Rules from the environment hold in every process that takes records in, and a server with wrong ones does not start."""

import json
import subprocess
import sys

import httpx2

from tests.support.process import clean_environment, run_serve, server_process
from tests.support.served import NDJSON, ndjson, transaction

KEY = "a key that is long enough"
RULES = json.dumps({"values": ["email"], "names": ["password"]})
MAIL = "anna@example.com"


def test_workers_redact_as_the_first_process_does(tmp_path):
    rules = tmp_path / "rules.json"
    rules.write_text(RULES)
    environment = {"FLOWTRAIL_REDACTION": str(rules), "FLOWTRAIL_REDACTION_KEY": KEY}
    with server_process(f"sqlite:{tmp_path / 'store'}", "--intake-workers", "1", **environment) as server:
        server.ready()
        rules.unlink()
        processes = set()
        for number in range(200):
            # The system decides which process a new connection reaches.
            answer = httpx2.post(
                f"{server.url}/v1/records",
                content=ndjson([transaction(number, attributes={"mail": MAIL})]),
                headers=NDJSON,
                timeout=30,
            )
            assert answer.json()["redacted"] == 1
            metrics = httpx2.get(f"{server.url}/metrics", timeout=30).text
            processes |= {
                line.partition('process="')[2].partition('"')[0]
                for line in metrics.splitlines()
                if line.startswith("flowtrail_values_redacted_total{")
            }
            if len(processes) > 1:
                break
        assert len(processes) > 1, "one process took everything"
        assert server.stop() == 0


def test_an_import_into_a_store_is_under_the_rules_too(tmp_path):
    lines = ndjson([transaction(1, attributes={"mail": MAIL, "password": "x"})])
    store = f"sqlite:{tmp_path / 'store'}"
    environment = clean_environment() | {"FLOWTRAIL_REDACTION": RULES, "FLOWTRAIL_REDACTION_KEY": KEY}

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "flowtrail", *words, "--store", store],
            input=lines,
            capture_output=True,
            timeout=60,
            check=True,
            env=environment,
        ).stdout.decode()

    run("import", "records", "-")

    shown = json.loads(run("show", "4711", "--json"))
    assert shown["attributes"] == {"mail": "[redacted]", "password": "[redacted]"}
    assert MAIL not in run("list", "--json")


def test_a_server_whose_rules_cannot_be_meant_does_not_start(tmp_path):
    environment = {"FLOWTRAIL_REDACTION": '{"values": ["("]}', "FLOWTRAIL_REDACTION_KEY": KEY}

    done = run_serve("--store", f"sqlite:{tmp_path}", "--port", "0", **environment)

    assert done.returncode == 2, done.stdout + done.stderr
    assert "FLOWTRAIL_REDACTION (values[0])" in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []
