"""The Python of README and documentation runs as it stands, and what it says arrives."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.served import served

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def run(code: str, url: str, folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOWTRAIL_")}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"FLOWTRAIL_URL": url},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr


@pytest.fixture(scope="module")
def server():
    with served() as running:
        yield running


def told(server, query: str) -> list[dict]:
    """What the list says of a query, once everything written before is visible."""
    answer = server.client.get("/v1/flows", headers={"Flowtrail-After": server.written(MARK)})
    assert answer.status_code == 200
    return server.get("/v1/transactions", q=query).json()["transactions"]


MARK = {
    "kind": "transaction",
    "id": "1" * 32,
    "flow": "mark",
    "object_type": "mark",
    "object_id": "1",
    "created_at": "2026-11-23T10:00:00Z",
}


def test_the_first_example_of_the_readme_works_as_it_stands(server, tmp_path):
    (code, *_) = blocks("README.md")
    assert "flowtrail.init(" in code

    run(code, server.url, tmp_path)

    (order,) = told(server, "4711 flow:shop-to-erp")
    assert (order["status"], order["keys"]) == ("delivered", {"customer": "C-9"})


@pytest.mark.parametrize("number", range(len(blocks("docs/python.md"))))
def test_each_example_of_the_documentation_works_as_it_stands(server, tmp_path, number):
    run(blocks("docs/python.md")[number], server.url, tmp_path)


def test_what_the_examples_said_arrived(server, tmp_path):
    for code in blocks("docs/python.md"):
        run(code, server.url, tmp_path)

    found = {each["object_id"]: each["status"] for each in told(server, "type:order")}
    assert found == {
        "4711": "delivered",
        "4712": "filtered",
        "4713": "delivered",
        "4714": "delivered",
        "4715": "delivered",
    }
    paid, *_ = told(server, "4715")
    details = server.get(f"/v1/transactions/{paid['id']}").json()["blocks"][0]["details"]
    assert details == {
        "pin": "[redacted]",
        "db_password": "[redacted]",
        "text": "paid with [redacted]",
        "body": None,
        "secret": "***",
    }
