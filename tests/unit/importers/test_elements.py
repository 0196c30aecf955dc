"""JSON documents of any size, element by element."""

import json
from random import Random

import pytest

from flowtrail.intake.importers import elements
from flowtrail.intake.importers.elements import iter_elements
from flowtrail.intake.importers.problems import Unreadable
from flowtrail.intake.importers.sorting import in_order


def pieces(document, size):
    return [document[first : first + size] for first in range(0, len(document), size)]


def made(random, depth=0):
    kind = random.randrange(8 if depth < 4 else 5)
    if kind == 0:
        return random.choice([1, -2.5, 1e9, True, None])
    if kind < 4:
        return "".join(random.choice('ab"\\{}[],:\n é😀') for _ in range(random.randrange(8)))
    if kind == 4:
        return random.randrange(10**12)
    if kind < 7:
        return [made(random, depth + 1) for _ in range(random.randrange(4))]
    return {str(made(random, 5)): made(random, depth + 1) for _ in range(random.randrange(4))}


def test_every_element_comes_out_wherever_the_pieces_end():
    random = Random(1)
    for _ in range(1_500):
        document = {
            f"m{index}": made(random)
            if random.random() < 0.4
            else [made(random) for _ in range(random.randrange(5))]
            for index in range(random.randrange(5))
        }
        text = json.dumps(
            document, ensure_ascii=random.random() < 0.5, indent=random.choice([None, 1])
        ).encode()
        wanted = [
            (name, each)
            for name, value in document.items()
            for each in (value if isinstance(value, list) else [value])
        ]

        found = iter_elements(pieces(text, random.choice([1, 2, 3, 7, 50, 10_000])))

        assert [(name, json.loads(each)) for name, each in found] == wanted
        with pytest.raises(Unreadable):
            list(iter_elements(pieces(text[: random.randrange(len(text))], 5)))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"a":1,}',
        b"{,}",
        b'{"a":[1,]}',
        b'{"a" 1}',
        b'{"a":[1 2]}',
        b"{} x",
        b'{"a":}',
        b"<xml/>",
    ],
)
def test_what_is_no_object_is_told_with_its_place(text):
    with pytest.raises(Unreadable, match="byte"):
        list(iter_elements([text]))


def test_a_mark_of_byte_order_is_passed_over():
    assert list(iter_elements([b'\xef\xbb\xbf{"a":[1]}'])) == [("a", b"1")]


def test_an_element_without_end_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(elements, "MAX_ELEMENT_BYTES", 10_000)
    taken = 0

    def endless():
        nonlocal taken
        yield b'{"a":["'
        while True:
            taken += 1_000
            yield b"x" * 1_000

    with pytest.raises(Unreadable, match="longer"):
        list(iter_elements(endless()))
    assert taken < 20_000


@pytest.mark.parametrize("run_bytes", [1, 500, 10_000, 1 << 30])
def test_what_does_not_fit_into_memory_is_put_into_order(run_bytes):
    random = Random(2)
    items = [(random.randrange(-50, 50), position, b"x" * random.randrange(9)) for position in range(500)]

    assert list(in_order(iter(items), run_bytes)) == sorted(items)
