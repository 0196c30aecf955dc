"""What the README tells a reader to type exists."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# Commands stand in fenced blocks or between backticks; prose about Flowtrail is not one.
CODE = "\n".join(
    re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL) + re.findall(r"`([^`\n]+)`", README)
)
MAKE_TARGETS = sorted(set(re.findall(r"^make ([a-z-]+)", CODE, re.MULTILINE)))
COMMANDS = sorted(set(re.findall(r"^(?:\.venv/bin/)?flowtrail ([a-z]+)", CODE, re.MULTILINE)))


def test_the_readme_names_commands():
    assert {"demo", "test"} <= set(MAKE_TARGETS)
    assert {"serve", "list", "show"} <= set(COMMANDS)


@pytest.mark.parametrize("target", MAKE_TARGETS)
def test_a_make_target_of_the_readme_exists(target: str):
    result = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_exists(command: str):
    from flowtrail.cli import app

    assert command in set(app)


def test_the_help_of_make_lists_every_public_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())

    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert phony - {"lint"} <= set(re.findall(r"^  make (\w+)", listed, re.MULTILINE))
