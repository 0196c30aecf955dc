"""Which code is the application's own: what is not installed, not the standard library, and not this package."""

import os
import sysconfig
from pathlib import Path
from typing import Final

_INSTALLED: Final = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_MOST_FILES: Final = 10_000

_known: dict[str, bool] = {}
_own: list[str] = []


def is_in_app(file: str) -> bool:
    """Whether a code object's file belongs to the application; remembered by file."""
    known = _known.get(file)
    if known is None:
        if len(_known) >= _MOST_FILES:
            _known.clear()
        known = _known[file] = _is_in_app(file)
    return known


def _is_in_app(file: str) -> bool:
    if file.startswith(
        "<"
    ):  # frozen, or made by exec: only what is typed at a prompt or given to -c is someone's own
        return file in {"<stdin>", "<string>"}
    if any(each in file for each in _INSTALLED):
        return False
    return not any(file.startswith(each) for each in _not_ours())


def _not_ours() -> list[str]:
    if not _own:
        paths = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
        package = str(Path(__file__).parents[1])
        _own.extend({f"{path}{os.sep}" for path in (*paths, package) if path})
    return _own
