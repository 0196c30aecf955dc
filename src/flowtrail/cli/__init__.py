"""The command line: one command a file, loaded when it is called.

Without the extra `server` nothing here can run; then the command says what to install instead of failing to import.
"""

import os
import sys
from pathlib import Path
from typing import Any

_NEEDED = ("cyclopts", "rich", "httpx2")


def main() -> None:
    """Run the command named on the command line; leaves the process with its exit code."""
    _open_all()
    missing = [name for name in _NEEDED if not _found(name)]
    if missing:
        sys.stderr.write(
            "flowtrail: the command line needs the server extra, which is not installed.\n"
            "Install it with:  pip install 'flowtrail[server]'\n"
        )
        raise SystemExit(1)
    try:
        from flowtrail.cli.commands import run
    except KeyboardInterrupt:
        # Somebody was quicker than our imports.
        sys.stderr.write("interrupted\n")
        raise SystemExit(130) from None
    raise SystemExit(run(sys.argv[1:]))


def _open_all() -> None:
    """Have all three streams: Python has none where who started the program closed it, as some supervisors do, and the
    next file that is opened would be in its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 -- to the end


def _found(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


def __getattr__(name: str) -> Any:
    # `app` is asked for by documentation tests and completion; importing this package must stay light.
    if name == "app":
        from flowtrail.cli.commands import app

        return app
    raise AttributeError(name)
