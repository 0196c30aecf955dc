"""The folders are the architecture: what imports what, what a host application loads, what has a name."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "flowtrail"
DRIVERS_AND_SERVERS = {"fastapi", "pymongo", "sqlite3", "starlette", "uvicorn"}


def packages() -> list[str]:
    return sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))


def test_imports_point_down_and_back_ends_do_not_know_each_other():
    # In a process of its own: it silences the loggers of the one that it runs in.
    linter = Path(sys.executable).with_name("lint-imports")

    ran = subprocess.run(
        [linter, "--config", ROOT / "pyproject.toml", "--no-cache"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 broken" in ran.stdout


def test_what_a_host_application_imports_loads_neither_server_nor_driver():
    wanted = ["flowtrail", *(f"flowtrail.{name}" for name in ("model", "projection", "sdk"))]
    there = [name for name in wanted if importlib.util.find_spec(name)]
    code = f"import sys, {', '.join(there)}; print(*sorted({DRIVERS_AND_SERVERS!r} & set(sys.modules)))"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.split() == []


def test_every_package_is_named_in_the_architecture_page():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

    assert [name for name in packages() if f"`flowtrail.{name}`" not in page] == []


def test_a_folder_with_code_is_a_package():
    folders = {path.parent for path in SOURCE.rglob("*.py")}

    assert sorted(str(folder) for folder in folders if not (folder / "__init__.py").exists()) == []


def test_the_gate_is_executable():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
