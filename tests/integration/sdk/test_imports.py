"""The thread imports nothing: a fork at that instant would leave the child a module that is half there."""

import json
import subprocess
import sys
import textwrap

import pytest

from tests.support.hostile import hostile
from tests.support.hosts import ROOT

PROGRAM = """
    import json, sys
    import flowtrail
    flowtrail.init(flow="f", url=sys.argv[1], batch_s=0.01, **json.loads(sys.argv[2]))
    before = set(sys.modules)
    from flowtrail.sdk.producer import producer
    sink = producer.sink
    with flowtrail.transaction("order", "1", keys={"customer": "C-9"}) as order:
        try:
            with order.block("map") as block:
                block.detail(text="x" * 300_000, number=7)
                raise KeyError("sku")
        except KeyError:
            pass
    sink.flush(float(sys.argv[3]))
    sink.close(0.2)
    print(json.dumps(sorted(set(sys.modules) - before)))
"""


def imported(url, patience_s=2.0, **settings):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), url, json.dumps(settings), str(patience_s)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "ways", [["good"], ["refuse_some", "later", "good"], ["garbage", "page", "fail", "good"]]
)
def test_nothing_is_imported_after_init(ways):
    with hostile(ways) as server:
        assert imported(server.url) == []
        assert server.seen


def test_nothing_is_imported_for_a_spill_or_a_name_that_is_resolved(tmp_path):
    with hostile(["good"]) as server:
        assert imported(server.url.replace("127.0.0.1", "localhost"), spill_dir=str(tmp_path / "spill")) == []


def test_nothing_is_imported_for_packing_or_tls():
    with hostile(["good"]) as server:
        port = server.url.rpartition(":")[2]
        # An address of this machine that is not loopback, to whoever looks at it.
        assert imported(f"http://0.0.0.0:{port}") == []
        assert server.seen
        assert imported(f"https://localhost:{port}", 0.3) == []


def test_importing_flowtrail_loads_neither_http_nor_tls():
    code = "import flowtrail, sys; flowtrail.init; print(*{'http.client', 'ssl', 'mmap'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.split() == []
