"""What the documentation shows in `sh` blocks works when it is typed in order."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
SERVE = re.compile(r"^flowtrail serve .*$", re.MULTILINE)
# A server in the foreground stands for a second terminal: it starts beside, and the next line waits until it answers.
BESIDE = r"""\g<0> --port PORT &
trap "kill $!; wait $!" EXIT
timeout 30 sh -c 'until curl -sf http://127.0.0.1:PORT/healthz >/dev/null; do sleep 0.1; done'"""


def script(page: Path, port: int) -> str:
    """The page's commands; those of `make` are tested elsewhere, since they install."""
    blocks = [
        block for block in BLOCK.findall(page.read_text(encoding="utf-8")) if not block.startswith("make ")
    ]
    text = "\n".join(blocks).replace(".venv/bin/flowtrail", "flowtrail").replace("8765", str(port))
    return SERVE.sub(BESIDE.replace("PORT", str(port)), text)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(text: str, folder: Path, port: int) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOWTRAIL_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["FLOWTRAIL_URL"] = f"http://127.0.0.1:{port}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path):
    port = free_port()
    text = script(page, port)
    assert text.strip(), "the page shows no command"

    done = run(text, tmp_path, port)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{text}"


def test_the_readme_shows_the_failure_that_it_told_of(tmp_path: Path):
    port = free_port()

    done = run(script(ROOT / "README.md", port), tmp_path, port)

    assert '"rejected":[]' in done.stdout.replace(" ", "")
    assert "KeyError" in done.stdout
    assert '"status":"failed"' in done.stdout.replace(" ", "")


def test_the_first_look_shows_what_show_prints(tmp_path: Path):
    page = ROOT / "docs" / "guides" / "first-look.md"
    (shown,) = re.findall(r"^```text\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    port = free_port()

    done = run(script(page, port), tmp_path, port)

    assert [line.rstrip() for line in shown.splitlines()] == [
        line.rstrip() for line in done.stdout.splitlines() if line.rstrip() in shown
    ][: len(shown.splitlines())]
