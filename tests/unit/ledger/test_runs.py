"""Rows of any number are sorted in bounded memory, with a bounded number of files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.ledger import runs
from flowtrail.ledger.runs import Runs

FILES = 4


@pytest.fixture(autouse=True)
def few_files(monkeypatch):
    monkeypatch.setattr(runs, "MOST_FILES", FILES)


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def sorted_groups(rows):
    found = {}
    for key, value in rows:
        found.setdefault(key, []).append(value)
    return [(key, sorted(values)) for key, values in sorted(found.items())]


@given(
    st.lists(st.tuples(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), st.integers(0, 99)), max_size=200)
)
def test_however_often_they_are_spilled_rows_come_out_sorted_by_key(rows):
    held = Runs(most_rows=3)
    for key, value in rows:
        held.add(key, value)

    found = [(key, sorted(values)) for key, values in held.groups()]
    again = [(key, sorted(values)) for key, values in held.groups()]
    held.close()

    assert found == again == sorted_groups(rows)


def test_many_spills_hold_few_files_open():
    before = open_files()
    held = Runs(most_rows=1)
    for number in range(1_000):
        held.add((number,), number)
    opened = open_files() - before

    assert len(list(held.groups())) == 1_000
    held.close()

    assert opened < 6 * FILES
    assert open_files() == before


def test_large_rows_are_read_back_a_few_at_a_time(monkeypatch):
    largest = 0
    decode = runs._decode

    def watched(block):
        nonlocal largest
        found = decode(block)
        largest = max(largest, sum(len(value) for _, value in found))
        return found

    monkeypatch.setattr(runs, "_decode", watched)
    held = Runs(most_bytes=8_000_000)
    for number in range(200):
        held.add((number,), b"x" * 100_000, 100_000)

    assert len(list(held.groups())) == 200
    held.close()
    assert largest <= 2 * 1024 * 1024
