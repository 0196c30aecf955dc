"""Who may send what lies in a spill directory: each file belongs to a session, and each session to who holds its lock.

The lock is the kernel's, on an open file, so that it ends with its process, however that ended. A child that was
forked shares it until it closes the file.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from flowtrail.sdk.segments import SUFFIX

try:
    import fcntl
except ImportError:  # not on this platform
    fcntl = None  # type: ignore[assignment]

LOCK: Final = ".lock"


def can_spill() -> bool:
    """Whether this platform has what it takes."""
    return fcntl is not None


def lock_session(directory: Path, name: str) -> int:
    """Hold a session; the open file that does. Raises: OSError (also when somebody else holds it)."""
    path = directory / (name + LOCK)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who held it before may have removed the name between our two steps: then it is nobody's lock.
        if path.stat().st_ino != os.fstat(fd).st_ino:
            raise BlockingIOError(f"{path} changed hands")  # noqa: TRY301 -- closed below, like every other end
    except BaseException:
        os.close(fd)
        raise
    return fd


def release_session(directory: Path, name: str, fd: int, *, keep: bool) -> None:
    """Hold it no longer; unless there is something to `keep` it for, its name goes too."""
    if not keep:
        with suppress(OSError):
            (directory / (name + LOCK)).unlink()
    with suppress(OSError):
        os.close(fd)


def sessions_in(directory: Path, target: str) -> dict[str, list[Path]]:
    """Every session for that target, with its segments in their order. Raises: OSError."""
    found: dict[str, list[Path]] = {}
    for path in sorted(directory.iterdir()):
        if not path.name.startswith(f"{target}-"):
            continue
        if path.suffix == LOCK:
            found.setdefault(path.stem, [])
        elif path.suffix == SUFFIX:
            found.setdefault(path.stem.rpartition("-")[0], []).append(path)
    return found


def held_bytes(directory: Path) -> int:
    """What all segments in a directory hold. Raises: OSError."""
    held = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                with suppress(OSError):
                    held += entry.stat().st_size
    return held


def sync_directory(directory: Path) -> None:
    """Make the names in it safe against a power cut. Raises: OSError."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
