"""A process-mining tool that nobody here wrote, in an environment of its own: what others read out of our files.

It is made once from PyPI, in `.tools`, without the parts that draw and optimise.
FLOWTRAIL_TEST_PM4PY names another interpreter that can import it.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import venv
from pathlib import Path
from typing import Any

VARIABLE = "FLOWTRAIL_TEST_PM4PY"
PINNED = (
    *("pm4py==2.7.23.11", "pandas==3.1.1", "numpy==2.4.6", "lxml==6.1.3", "networkx==3.6.1", "tqdm==4.70.1"),
    *("packaging==26.3", "python-dateutil==4.0.0", "pytz==2026.6", "six==1.17.0"),
)
"""What reading and writing logs needs: with all it asks for it takes four times as long to install."""
INSTALL_S = 400
READ_S = 240

_READ = """
import sys, json, warnings
warnings.filterwarnings("ignore")
import pm4py
from collections import Counter
kind, file = sys.argv[1:]
if kind == "xes":
    log = pm4py.read_xes(file)
    told = {
        "cases": log["case:concept:name"].unique().tolist(),
        "ids": log["case:identity:id"].nunique(),
        "events": len(log),
        "steps": [[name, step, count] for (name, step), count in Counter(
            zip(log["concept:name"], log["lifecycle:transition"])
        ).items()],
        "instants": str(log["time:timestamp"].dtype),
    }
elif kind == "ocel":
    log = pm4py.read_ocel2_json(file)
    told = {
        "objects": Counter(log.objects["ocel:type"]),
        "events": Counter(log.events["ocel:activity"]),
        "relations": len(log.relations),
        "qualifiers": Counter(log.o2o["ocel:qualifier"]),
        "changes": len(log.object_changes),
        "types": {name: str(kind) for name, kind in log.events.dtypes.items()},
    }
elif kind == "rewrite-xes":
    frame = pm4py.read_xes(file)
    kept = [name for name in frame.columns if "flowtrail" not in name]
    pm4py.write_xes(frame[kept], file + ".foreign.xes")
    told = {}
else:
    log = pm4py.read_ocel2_json(file)
    for name in ("events", "objects"):
        frame = getattr(log, name)
        setattr(log, name, frame[[each for each in frame.columns if "flowtrail" not in each]])
    pm4py.write_ocel2_json(log, file + ".foreign.json")
    told = {}
print(json.dumps(told))
"""


def told_by_pm4py(kind: str, file: Path) -> dict[str, Any]:
    """What it reads out of a file: kind `xes` or `ocel`; `rewrite-…` has it write the file anew, without ours."""
    answer = subprocess.run(
        [_python(), "-c", _READ, kind, str(file)],
        capture_output=True,
        text=True,
        timeout=READ_S,
        check=False,
        env={**os.environ, "TQDM_DISABLE": "1"},
    )
    assert answer.returncode == 0, answer.stderr[-2_000:]
    told: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return told


def _python() -> str:
    named = os.environ.get(VARIABLE)
    if named:
        return named
    place = Path(__file__).parents[2] / ".tools" / "pm4py"
    ready = place / f".ready-{hashlib.sha256(' '.join(PINNED).encode()).hexdigest()[:12]}"
    python = place / "bin" / "python"
    place.parent.mkdir(exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            venv.create(place, clear=True, with_pip=True)
            install = [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
            ]
            subprocess.run([*install, *PINNED], check=True, timeout=INSTALL_S)
            ready.touch()
    return str(python)


if __name__ == "__main__":
    print(_python())
