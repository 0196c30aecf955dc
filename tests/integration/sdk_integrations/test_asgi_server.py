"""An application in a process of uvicorn's, which a signal ends while something waits to be sent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from tests.support.foreign import items
from tests.support.served import served
from tests.support.server import environment, free_port

APPLICATION = """
import flowtrail
from flowtrail.sdk.integrations.asgi import FlowtrailMiddleware

flowtrail.init(flow="shop-api")

async def answer(scope, receive, send):
    if scope["type"] == "lifespan":
        for word in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{word}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})

app = FlowtrailMiddleware(answer)
"""
START_S = 60


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx2.get(url, headers={"x-request-id": "first"})
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the application did not start")


def test_what_waits_when_a_signal_ends_the_application_is_delivered(tmp_path: Path):
    (tmp_path / "application.py").write_text(APPLICATION, encoding="utf-8")
    port = free_port()
    url = f"http://127.0.0.1:{port}/orders"
    with served() as server:
        uvicorn = [sys.executable, "-m", "uvicorn", "application:app", "--port", str(port)]
        more = {"FLOWTRAIL_URL": server.url, "FLOWTRAIL_BATCH_S": "60"}
        with subprocess.Popen(
            [*uvicorn, "--log-level", "warning"], cwd=tmp_path, env=environment(**more)
        ) as process:
            try:
                wait_for(url, process)
                for number in range(20):
                    assert httpx2.get(url, headers={"x-request-id": f"r-{number}"}).status_code == 200
                os.kill(process.pid, signal.SIGTERM)
                process.wait(timeout=30)
            finally:
                process.kill()

        found = {each["object_id"]: each["status"] for each in items(server)}

    assert found == {"first": "delivered", **{f"r-{number}": "delivered" for number in range(20)}}
