"""A disk that is really full under a whole server: a small file system in memory, in a namespace of its own."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.torture


def test_a_full_disk_stops_intake_alone_and_space_brings_it_back(tmp_path):
    done = subprocess.run(
        [
            "unshare",
            "--map-root-user",
            "--mount",
            sys.executable,
            "-m",
            "tests.support.full_disk",
            str(tmp_path),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "whole" in done.stdout
