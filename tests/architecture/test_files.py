"""Files that can be read in one sitting, with names that say what they hold, on any machine."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
MOST_LINES = 400

# path below src/flowtrail: why it is one file all the same
LONG_FOR_A_REASON: dict[str, str] = {}

NAMES_THAT_SAY_NOTHING = {"base2", "common", "helper", "helpers", "misc", "util", "utils"}

# Paths that exist on one machine only. Written in two parts, so that this file passes its own test.
MACHINE_PATH = re.compile(r"(?<![\w.:/$}-])/" + r"(?:work|farm|root|home|Users)/[A-Za-z]")
TEXT = {".cfg", ".css", ".html", ".ini", ".js", ".json", ".lark", ".md", ".py", ".sh", ".toml", ".ts", ".tsx"}
TREES = ["src", "tests", "docs", "benchmarks", "tools", "web/src", ".ci"]
GENERATED = {"node_modules", "__pycache__", "dist"}


def python_files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def text_files() -> list[Path]:
    files = [path for path in ROOT.iterdir() if path.is_file() and path.suffix in TEXT]
    files += [ROOT / "Makefile", ROOT / ".ci" / "run"]
    for tree in TREES:
        files += [path for path in (ROOT / tree).rglob("*") if path.suffix in TEXT and path.is_file()]
    return [path for path in files if not GENERATED & set(path.parts)]


def test_a_file_can_be_read_in_one_sitting():
    lengths = {
        path.relative_to(SOURCE / "flowtrail").as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in python_files()
    }

    too_long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES}

    assert {name: lines for name, lines in too_long.items() if name not in LONG_FOR_A_REASON} == {}
    assert [name for name in LONG_FOR_A_REASON if name not in too_long] == [], "an excuse outlived its cause"


def test_a_file_is_named_for_what_it_holds():
    parts = {part for path in python_files() for part in (path.stem, *path.relative_to(SOURCE).parts[:-1])}

    assert parts & NAMES_THAT_SAY_NOTHING == set()


def test_nothing_names_a_path_of_one_machine():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]

    assert found == []
