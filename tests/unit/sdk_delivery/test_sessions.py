"""Who holds a session holds it alone, and for as long as the process lives."""

import os
import subprocess
import sys
import textwrap

import pytest

from flowtrail.sdk.sessions import held_bytes, lock_session, release_session, sessions_in


def test_a_session_is_held_by_one(tmp_path):
    fd = lock_session(tmp_path, "t-1")

    with pytest.raises(OSError, match="temporarily unavailable"):
        lock_session(tmp_path, "t-1")
    release_session(tmp_path, "t-1", fd, keep=True)
    os.close(lock_session(tmp_path, "t-1"))


def test_a_session_that_is_over_leaves_no_name(tmp_path):
    fd = lock_session(tmp_path, "t-1")

    release_session(tmp_path, "t-1", fd, keep=False)

    assert list(tmp_path.iterdir()) == []


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path):
    script = f"""
        import os, signal
        from pathlib import Path
        from flowtrail.sdk.sessions import lock_session
        lock_session(Path({str(tmp_path)!r}), "t-1")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, timeout=60)

    os.close(lock_session(tmp_path, "t-1"))


def test_sessions_of_another_target_are_not_seen_and_segments_count_without_a_lock(tmp_path):
    for name in (
        "a-1.lock",
        "a-1-00000002.spill",
        "a-1-00000001.spill",
        "a-2-00000001.spill",
        "b-1.lock",
        "x",
    ):
        (tmp_path / name).write_bytes(b"12345")

    assert sessions_in(tmp_path, "a") == {
        "a-1": [tmp_path / "a-1-00000001.spill", tmp_path / "a-1-00000002.spill"],
        "a-2": [tmp_path / "a-2-00000001.spill"],
    }
    assert held_bytes(tmp_path) == 15
