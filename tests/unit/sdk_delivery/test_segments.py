"""Files that records survive in: what was written is read, what is torn is passed over, nothing is invented."""

from random import Random

import pytest

from flowtrail.sdk.segments import (
    FRAME_BYTES,
    HEADER_BYTES,
    SEGMENT_BYTES,
    create_segment,
    head_of,
    open_segment,
    read_frame,
)

PRODUCER = "shop-ä/7f3a"


def write(segment, body, seq, *, is_report=False):
    end = segment.at + FRAME_BYTES + len(body)
    segment.map[segment.at : end] = head_of(body, is_report=is_report) + b"%020d" % seq + body
    segment.at = end


def frames(segment, *, skips=True):
    found = []
    while (frame := read_frame(segment, skips=skips)) is not None:
        found.append((frame.seq, frame.body, frame.is_report))
    return found


@pytest.fixture
def segment(tmp_path):
    segment = create_segment(tmp_path / "a.spill", PRODUCER)
    yield segment
    segment.close()


def test_what_was_written_is_read_by_another_process(segment):
    write(segment, b'{"kind":"a"}', 1)
    write(segment, b'{"kind":"report"}', 2, is_report=True)
    write(segment, b"", 3)

    other = open_segment(segment.path)

    assert other.producer == PRODUCER
    assert frames(other) == [(1, b'{"kind":"a"}', False), (2, b'{"kind":"report"}', True), (3, b"", False)]
    other.close()


def test_all_its_space_is_there_and_nobody_else_can_read_it(segment):
    state = segment.path.stat()

    assert (state.st_size, state.st_mode & 0o777) == (SEGMENT_BYTES, 0o600)
    assert state.st_blocks * 512 >= SEGMENT_BYTES


def test_what_was_settled_is_not_read_again(segment):
    for seq in range(1, 6):
        write(segment, b"x" * seq, seq)
    read = [read_frame(segment) for _ in range(4)]
    assert all(read)
    segment.settle(2)
    segment.settle(0)
    segment.settle(1)

    other = open_segment(segment.path)

    assert [seq for seq, _, _ in frames(other)] == [4, 5]
    other.close()


def test_a_frame_that_is_not_whole_yet_is_waited_for(segment):
    write(segment, b"first", 1)
    hole = segment.at
    segment.at += FRAME_BYTES + 6
    write(segment, b"third", 3)

    assert [seq for seq, _, _ in frames(segment, skips=False)] == [1]
    segment.map[hole : hole + FRAME_BYTES + 6] = head_of(b"second") + b"%020d" % 2 + b"second"
    assert [seq for seq, _, _ in frames(segment, skips=False)] == [2, 3]


def test_a_frame_that_never_became_whole_hides_none_behind_it(segment):
    write(segment, b"first", 1)
    segment.at += FRAME_BYTES + 6
    write(segment, b"third", 3)

    assert [seq for seq, _, _ in frames(segment)] == [1, 3]


def test_damage_costs_what_it_hit_and_invents_nothing(tmp_path):
    random = Random(5)
    for number in range(60):
        segment = create_segment(tmp_path / f"{number}.spill", PRODUCER)
        told = [(seq, random.randbytes(random.randrange(300)), False) for seq in range(1, 40)]
        for seq, body, _ in told:
            write(segment, body, seq)
        end = segment.at
        hit = random.randrange(HEADER_BYTES, end)
        if number % 2:
            segment.map[hit] ^= 1 << random.randrange(8)
        else:
            length = random.randrange(1, 600)
            segment.map[hit : hit + length] = bytes(length)
        segment.close()

        other = open_segment(segment.path)
        found = frames(other)
        other.remove()

        if number % 2:
            # A flipped bit may be in a number; bodies are covered by their checksum.
            assert {body for _, body, _ in found} <= {body for _, body, _ in told}
            assert len(found) >= len(told) - 1
        else:
            assert set(found) <= set(told)
            # Everything before the hole is there.
            assert len(found) >= 39 - 600 // FRAME_BYTES


def test_a_file_that_is_none_of_ours_is_none(tmp_path):
    for number, content in enumerate([b"", b"FTSPILL", bytes(5_000), b"FTSPILL2" + bytes(5_000)]):
        path = tmp_path / f"{number}.spill"
        path.write_bytes(content)

        assert open_segment(path) is None


def test_a_file_cut_short_is_read_as_far_as_it_goes(segment):
    write(segment, b"first", 1)
    write(segment, b"second", 2)
    end = segment.at
    segment.close()
    with segment.path.open("r+b") as file:
        file.truncate(end - 3)

    other = open_segment(segment.path)

    assert [seq for seq, _, _ in frames(other)] == [1]
    other.close()


def test_a_mark_inside_a_body_is_no_frame(segment):
    inner = head_of(b"inner") + b"%020d" % 9 + b"inner"
    write(segment, b"a" + inner, 1)
    write(segment, b"b", 2)

    assert [seq for seq, _, _ in frames(segment)] == [1, 2]
