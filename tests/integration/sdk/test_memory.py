"""What delivery holds stays within its bound, whatever the host says and whoever does not listen."""

import subprocess
import sys
import textwrap

import pytest

from tests.support.hostile import hostile
from tests.support.hosts import ROOT

MIB = 1024 * 1024
PROGRAM = """
    import sys, tracemalloc
    import flowtrail
    flowtrail.init(flow="f", url=sys.argv[1], overload=sys.argv[2], memory_mib=int(sys.argv[3]), exit_s=0)
    from flowtrail.sdk.producer import producer
    text = "x" * int(sys.argv[4])
    with flowtrail.transaction("order", "0") as order:
        with order.block("map"): pass
    tracemalloc.start()
    produced, number = 0, 0
    while sum(producer.sink.counts().dropped.values()) < 3_000:
        for _ in range(200):
            number += 1
            with flowtrail.transaction("order", str(number), keys={"customer": f"C-{number}"}) as order:
                with order.block("map") as block:
                    block.detail(number=number, text=text + str(number), more={"a": [number, str(number)]})
    held, peak = tracemalloc.get_traced_memory()
    print(held, peak, producer.sink.counts().bytes_held)
"""


def run(url, overload, memory_mib, text):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), url, overload, str(memory_mib), str(text)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=ROOT,
    )
    return [int(number) for number in done.stdout.split()]


@pytest.mark.parametrize(
    ("overload", "text", "way"),
    [
        ("drop-newest", 0, "hang"),
        ("drop-oldest", 500, "fail"),
        ("drop-newest", 20_000, "fail"),
        ("drop-oldest", 20_000, "hang"),
    ],
)
def test_all_that_waits_and_is_under_way_stays_within_the_bound(overload, text, way):
    with hostile([way]) as server:
        _, peak, held = run(server.url, overload, 8, text)

    assert peak <= 8 * MIB
    # Nor is the bound kept by holding next to nothing.
    assert held > 4 * MIB


@pytest.mark.parametrize("way", ["huge", "huge_chunked", "huge_line", "deep", "page"])
def test_an_answer_is_within_the_bound_too(way):
    with hostile([way]) as server:
        _, peak, _ = run(server.url, "drop-newest", 4, 500)

    assert peak <= 4 * MIB
