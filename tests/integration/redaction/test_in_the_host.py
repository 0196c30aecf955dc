"""What must not leave a host application is neither on the way to the server nor in the host's spill."""

import os
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import zstandard

from tests.support.foreign import visible
from tests.support.served import served
from tests.support.server import free_port

ROOT = Path(__file__).parents[3]
SECRET = "geheim-4711"
MAIL = "anna@example.com"
HOST = """
import sys
import flowtrail

url, spill = sys.argv[1:]
flowtrail.init(
    flow="shop", url=url, spill_dir=spill, exit_s=1, redact_values=["email", "geheim-[0-9]+"],
    redact_names=["*password*"], redact_key="a key that is long enough",
)
secret, mail = "geheim-4711", "anna@example.com"
try:
    with flowtrail.transaction("order", "4711", keys={"customer": mail}, attributes={"note": f"say {secret}"}) as order:
        with order.block("map") as block:
            block.detail(password=secret, nested={"a": [f"ask {mail}"]})
            raise ValueError(f"no {secret}")
except ValueError:
    pass
flowtrail.flush(2)
"""


def run(url, spill):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOWTRAIL_")}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(HOST), url, str(spill)],
        env=environment | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def contents(folder):
    """Every file, and what is compressed in it as far as that can be told."""
    found = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    for raw in list(found):
        start = raw.find(zstandard.FRAME_HEADER)
        while start >= 0:
            with suppress(zstandard.ZstdError):
                found.append(zstandard.ZstdDecompressor().decompressobj().decompress(raw[start:]))
            start = raw.find(zstandard.FRAME_HEADER, start + 1)
    return b"\n".join(found)


def test_the_spill_of_a_host_holds_nothing_of_it_and_what_is_sent_later_neither(tmp_path):
    spill = tmp_path / "spill"

    run(f"http://127.0.0.1:{free_port()}", spill)

    kept = contents(spill)
    assert b"4711" in kept, "nothing was spilled"
    assert b"[redacted]" in kept
    assert SECRET.encode() not in kept
    assert MAIL.encode() not in kept


def test_what_a_host_sends_holds_nothing_of_it(tmp_path):
    with served() as server:
        run(server.url, tmp_path / "spill")

        visible(server)
        (item,) = server.get("/v1/transactions").json()["transactions"]
        read = server.get(f"/v1/transactions/{item['id']}")
        records = server.get(f"/v1/transactions/{item['id']}/records").text
    assert SECRET not in read.text + records
    assert MAIL not in read.text + records
    (block,) = read.json()["blocks"]
    assert block["details"] == {"password": "[redacted]", "nested": {"a": ["ask [redacted]"]}}
    assert block["exceptions"][0]["message"] == "no [redacted]"
    assert read.json()["attributes"] == {"note": "say [redacted]"}
