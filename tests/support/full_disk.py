"""Fills the disk under a server, and empties it; as a program, since it mounts a file system that nobody else sees."""

import subprocess
import sys
import time
from pathlib import Path

import httpx2

from flowtrail.ledger.check import check
from flowtrail.simulator.workload import Workload, bodies
from flowtrail.storage import open_store
from tests.support.process import server_process

SIZE_MIB = 80
BALLAST_MIB = 30
RESUMES_S = 10.0


def main(place: Path) -> None:
    """Everything acknowledged is there, nothing else is, and intake came back by itself."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "none", str(place)], check=True)
    ballast = place / "ballast"
    ballast.write_bytes(bytes(BALLAST_MIB * 1024 * 1024))
    store = f"sqlite:{place / 'store'}"
    with server_process(store) as server, server.client() as client:
        waiting = bodies(Workload(transactions=200_000))
        acknowledged = fill(client, waiting)
        stays_full_and_is_read(client)
        ballast.unlink()
        acknowledged += resumes(client, next(waiting))
        caught_up(client)
        assert server.stop() == 0
    whole(store, acknowledged)


def fill(client: httpx2.Client, waiting) -> int:
    acknowledged = 0
    for body in waiting:
        answer = post(client, body)
        if answer.status_code != 200:
            assert (answer.status_code, answer.json()["code"]) == (507, "store_full"), answer.text
            assert int(answer.headers["retry-after"]) > 0
            return acknowledged
        acknowledged += answer.json()["accepted"]
    raise AssertionError("the disk did not fill up")


def stays_full_and_is_read(client: httpx2.Client) -> None:
    for _ in range(4):
        assert post(client, b'{"kind":"end"}').status_code == 507
        listed = client.get("/v1/transactions", params={"page_size": 1})
        assert listed.status_code == 200
        assert listed.json()["total"] > 0
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        time.sleep(0.5)


def resumes(client: httpx2.Client, body: bytes) -> int:
    until = time.monotonic() + RESUMES_S
    while (answer := post(client, body)).status_code != 200:
        assert time.monotonic() < until, answer.text
        time.sleep(0.1)
    accepted: int = answer.json()["accepted"]
    return accepted


def caught_up(client: httpx2.Client) -> None:
    token = post(
        client, b'{"kind":"link","parent":"%032x","child":"%032x","relation":"split"}' % (1, 2)
    ).json()["token"]
    until = time.monotonic() + 60
    while client.get("/v1/transactions", headers={"Flowtrail-After": token}).status_code != 200:
        assert time.monotonic() < until


def post(client: httpx2.Client, body: bytes) -> httpx2.Response:
    return client.post("/v1/records", content=body, headers={"Content-Type": "application/x-ndjson"})


def whole(store: str, acknowledged: int) -> None:
    opened = open_store(store, create=False)
    try:
        report = check(opened)
        assert report.ok, report.lines()
        assert any("MiB are free" in note for note in report.notes), report.notes
        # What was refused while the disk was full may have reached it all the same; what was acknowledged must have.
        assert report.counts["records"] > acknowledged, (report.counts, acknowledged)
        print("whole")
    finally:
        opened.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
