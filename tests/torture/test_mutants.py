"""The suite runs against builds that are broken on purpose, and notices each."""

import subprocess
import sys
from pathlib import Path

import pytest

import tests.mutants
from tests.support.server import environment

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 300

# What the module breaks -> where the suite must notice: the quick tests that are about it.
MUTANTS = {
    "acknowledged_before_commit": ["tests/integration/test_committer.py"],
    "cells_outside_the_write": ["tests/contract/test_crashes.py", "-k", "sqlite"],
    "cursor_skips_ties": ["tests/contract/test_walks.py", "-k", "sqlite"],
    "differences_against_stale_states": ["tests/contract/test_crashes.py", "-k", "memory or sqlite"],
    "erasing_keeps_the_salt": ["tests/unit/ledger"],
    "feed_loses_what_shares_a_revision": ["tests/contract/test_changes.py", "-k", "memory"],
    "head_forgets_ended_writers": ["tests/unit/ledger"],
    "journal_read_skips_a_page": ["tests/contract/test_journal.py", "-k", "sqlite"],
    "last_to_arrive_wins": ["tests/unit/projection"],
    "leaf_without_salt": ["tests/unit/ledger"],
    "lease_is_not_checked": ["tests/contract/test_lease.py", "-k", "sqlite"],
    "lease_is_read_but_not_written": [
        "tests/contract/test_lease.py",
        "tests/contract/test_crashes.py",
        "-k",
        "mongodb",
    ],
    "position_before_the_write": ["tests/contract/test_crashes.py", "-k", "memory or sqlite"],
    "previous_hash_is_not_chained": ["tests/unit/ledger"],
    "repeats_are_counted_again": ["tests/contract/test_crashes.py", "-k", "memory or sqlite"],
    "resent_pages_are_built_anew": ["tests/integration/test_committer.py"],
    "retry_erases_the_failure": ["tests/unit/projection"],
    "sequences_are_added_up": ["tests/contract/test_producers.py", "-k", "memory"],
    "synchronous_off": ["tests/integration/sqlite/test_power.py"],
    "token_ignores_a_writer": ["tests/integration/server"],
}
SAMPLE = ("acknowledged_before_commit", "differences_against_stale_states", "position_before_the_write")


def run_against(name, *where):
    """pytest in a process of its own, with that module imported before everything else; None breaks nothing."""
    broken = [] if name is None else ["-p", f"tests.mutants.{name}"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", *broken, "-p", "no:cacheprovider", *where],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        cwd=ROOT,
        env=environment(),
    )


def notices(name):
    done = run_against(name, *MUTANTS[name])
    # 1 is for tests that failed; a suite that cannot be collected, or finds no test, proves nothing.
    assert done.returncode == 1, (
        f"{name} went unnoticed by {MUTANTS[name]}:\n{done.stdout[-2_000:]}{done.stderr[-500:]}"
    )
    assert " failed" in done.stdout, done.stdout[-2_000:]


def test_every_mutant_is_run():
    there = {path.stem for path in Path(tests.mutants.__file__).parent.glob("*.py")} - {"__init__"}

    assert there == set(MUTANTS)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_of_broken_builds_is_noticed(name):
    notices(name)


@pytest.mark.torture
@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in SAMPLE])
def test_every_broken_build_is_noticed(name):
    notices(name)


@pytest.mark.torture
@pytest.mark.parametrize("where", sorted(set(map(tuple, MUTANTS.values()))), ids=" ".join)
def test_the_same_tests_are_green_where_nothing_is_broken(where):
    """Else they might notice something else."""
    done = run_against(None, *where)

    assert done.returncode == 0, done.stdout[-2_000:]
