"""What the documentation shows in `sh` blocks works when it is typed in order."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from flowtrail.model.tokens import format_token

ROOT = Path(__file__).parents[2]
PROTOCOLS = [ROOT / "docs" / f"{name}.md" for name in ("cloudevents", "openlineage")]
PAGES = [ROOT / "README.md", *PROTOCOLS, *sorted((ROOT / "docs" / "guides").glob("*.md"))]
# Every Python on these is a file that the reader saves.
SAVING = [
    ROOT / "docs" / "guides" / f"{name}.md"
    for name in ("first-object", "from-tracing", "integrations", "test-your-integration")
]
# Commands, and files to be saved: Python that begins with its name.
BLOCK = re.compile(r"^```(?:sh\n|python\n# (\w+\.py)\n)(.*?)^```", re.MULTILINE | re.DOTALL)
SERVE = re.compile(r"^flowtrail serve .*$", re.MULTILINE)
# A server in the foreground stands for a second terminal: it starts beside, and the next line waits until it answers.
BESIDE = r"""\g<0> --port PORT &
trap "kill $!; wait $!" EXIT
timeout 30 sh -c 'until curl -sf http://127.0.0.1:PORT/healthz >/dev/null; do sleep 0.1; done'"""


# What was said can be read a moment later; a page's next block waits for that, as a person does.
PAUSE = """curl -sf http://127.0.0.1:PORT/v1/transactions -H 'Flowtrail-After: TOKEN' >/dev/null"""


def script(page: Path, port: int) -> str:
    """The page's commands; those of `make` are tested elsewhere, since they install."""
    shown = re.sub(r"\.venv/bin/(flowtrail|python)\b", r"\1", page.read_text(encoding="utf-8"))
    blocks = [
        f"cat > {name} <<'SAVED'\n{block}SAVED\n" if name else block for name, block in BLOCK.findall(shown)
    ]
    blocks = [block for block in blocks if not block.startswith("make ")]
    is_served = any(SERVE.search(block) for block in blocks)
    pause = f"\n{PAUSE.replace('TOKEN', format_token({}))}\n" if is_served else "\n"
    text = SERVE.sub(BESIDE, pause.join(blocks))
    # Nothing is said before the server answers.
    first = text.index(pause) if is_served else 0
    text = text[:first] + text[first:].removeprefix(pause)
    # 8766 is an application's.
    text = re.sub(r"\bPORT\b", str(port), text.replace("8765", "PORT"))
    return text.replace("8766", str(free_port()))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@cache
def run(page: Path) -> tuple[str, subprocess.CompletedProcess[str]]:
    """A page's script, and what became of it in an empty folder."""
    assert shutil.which("curl"), "the documentation's commands use curl, and it is not installed"
    port = free_port()
    text = script(page, port)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOWTRAIL_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["FLOWTRAIL_URL"] = f"http://127.0.0.1:{port}"
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as shell,
    ):
        try:
            out, err = shell.communicate(timeout=180)
        finally:
            # A server that the page started must not outlive it.
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    return text, subprocess.CompletedProcess(page.name, shell.returncode, out, err)


@pytest.mark.parametrize("page", SAVING, ids=lambda page: page.stem)
def test_every_snippet_of_python_is_a_file_that_a_command_uses(page: Path):
    text = page.read_text(encoding="utf-8")
    saved = [name for name, _ in BLOCK.findall(text) if name]

    assert len(saved) == text.count("```python\n")
    for name in saved:
        uses = re.compile(rf"\b{name}\b|(?:import|from|--app|uvicorn) {name.removesuffix('.py')}\b")
        assert len(uses.findall(text)) > 1, f"nothing runs {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(page: Path):
    text, done = run(page)

    assert text.strip(), "the page shows no command"
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{text}"


def test_the_readme_shows_the_failure_that_it_told_of():
    _, done = run(ROOT / "README.md")

    assert "the last one failed" in done.stdout
    assert "order 4713  failed" in done.stdout
    assert done.stdout.count("    KeyError: 'sku'") == 1
    told = done.stdout.replace(" ", "")
    assert '"rejected":[]' in told
    assert told.count('"status":"failed"') == 1


def test_five_lines_are_enough_and_more_say_more():
    _, done = run(ROOT / "docs" / "guides" / "first-object.md")

    for told in (
        "order 4711  delivered",
        "skipped by allowed_country: expected ['AT', 'CH', 'DE'], was US",
        "KeyError: 'green shoe'",
        "the application sees its own exception",
        "order 4715  delivered",
    ):
        assert told in done.stdout


def test_the_first_look_shows_what_show_prints():
    page = ROOT / "docs" / "guides" / "first-look.md"
    (shown,) = re.findall(r"^```text\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)

    printed = "\n".join(line.rstrip() for line in run(page)[1].stdout.splitlines())

    assert "\n".join(line.rstrip() for line in shown.splitlines()) in printed


def test_the_page_about_tests_shows_how_a_failure_looks():
    page = ROOT / "docs" / "guides" / "test-your-integration.md"
    (shown,) = re.findall(r"^```text\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)

    printed = run(page)[1].stdout

    assert [line for line in shown.splitlines() if line not in printed] == []


def test_the_page_about_integrations_shows_what_each_recorded():
    printed = run(ROOT / "docs" / "guides" / "integrations.md")[1].stdout

    for told in (
        "WARNING shop.orders: article A-1 has no price",
        "GET /orders/{number}",
        "tasks.deliver",
        "attempt 2",
        "GET 127.0.0.1",
        "ask the partner",
        "INSERT orders",
        "order 4716  delivered",
    ):
        assert told in printed


def test_the_page_about_what_is_missing_shows_what_producers_prints():
    page = ROOT / "docs" / "guides" / "is-anything-missing.md"
    (shown,) = re.findall(r"^```text\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)

    def timeless(text: str) -> str:
        return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "T", text)

    printed = timeless(run(page)[1].stdout)
    assert [line for line in timeless(shown).splitlines() if line not in printed] == []
