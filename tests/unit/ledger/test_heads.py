"""HEAD, and which heads a new writer names."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.intake.paging import open_chain
from flowtrail.ledger.heads import HeadHash, head_of, unnamed_heads
from flowtrail.ledger.pages import NamedHead, build_page
from flowtrail.model.pages import Page, Writer
from flowtrail.storage.interface import Head
from flowtrail.storage.memory.store import MemoryStore

heads = st.lists(
    st.builds(
        Head,
        st.builds(Writer, st.integers(1, 50), st.sampled_from(["a", "b"]), st.sampled_from(["x", "yz", "w"])),
        st.integers(0, 9),
        st.binary(min_size=32, max_size=32),
    ),
    unique_by=lambda head: head.writer.ordinal,
)


@given(heads, st.randoms(use_true_random=False))
def test_a_head_does_not_depend_on_the_order_in_which_writers_are_listed(listed, random):
    shuffled = list(listed)
    random.shuffle(shuffled)

    assert head_of("a", shuffled) == head_of("a", listed)


@given(heads)
def test_a_head_is_of_one_tenant_and_ignores_writers_without_a_page(listed):
    own = [head for head in listed if head.writer.tenant == "a" and head.sequence]

    assert head_of("a", listed) == head_of("a", own)
    assert head_of("b", own) == head_of("b", [])


@given(heads.filter(bool), st.data())
def test_a_head_changes_with_everything_it_stands_for(listed, data):
    head = data.draw(st.sampled_from(listed))
    tenant, rest = head.writer.tenant, [other for other in listed if other is not head]
    written = Head(head.writer, head.sequence + 1, b"n" * 32)
    renamed = Head(Writer(head.writer.ordinal, tenant, "new"), head.sequence + 1, b"n" * 32)
    moved = Head(Writer(head.writer.ordinal + 100, tenant, head.writer.name), head.sequence + 1, b"n" * 32)
    rehashed = Head(head.writer, head.sequence + 1, b"m" * 32)

    seen = {head_of(tenant, [*rest, other]) for other in (written, renamed, moved, rehashed)}

    assert len(seen | {head_of(tenant, listed), head_of(tenant, rest)}) >= 5


@given(heads)
def test_a_head_can_be_made_step_by_step(listed):
    step = HeadHash("a")
    own = sorted((head for head in listed if head.writer.tenant == "a"), key=lambda head: head.writer.ordinal)

    for head in own:
        before = step.copy()
        step.add(head)
        before.add(head)
        assert before.hex() == step.hex()

    assert step.hex() == head_of("a", listed)


# --- naming ------------------------------------------------------------------------------------------------


class Run:
    """One run of an intake, by hand."""

    def __init__(self, journal, tenant: str, name: str) -> None:
        self.journal, self.writer = journal, journal.register(tenant, name)
        self.last: Page | None = None

    def write(self) -> Page:
        sequence, previous, named = 1, b"", unnamed_heads(self.journal, self.writer.tenant)
        if self.last is not None:
            sequence, previous, named = (self.last.number & 0xFF) + 1, self.last.hash, []
        self.last = build_page(self.writer, sequence, previous, 1, [], [("a", sequence)], named)
        self.journal.append([self.last])
        return self.last

    @property
    def named(self) -> NamedHead:
        return NamedHead(self.writer.ordinal, self.last.number & 0xFF, self.last.hash)


def journal():
    store = MemoryStore()
    store.open()
    return store.journal


def test_the_first_writer_names_nobody():
    assert unnamed_heads(journal(), "a") == []


def test_a_writer_names_the_last_pages_of_those_before_it():
    held = journal()
    first = Run(held, "a", "first")
    first.write()
    first.write()

    assert unnamed_heads(held, "a") == [first.named]
    assert first.named.sequence == 2


def test_who_was_named_once_is_not_named_again():
    held = journal()
    first, second = Run(held, "a", "first"), Run(held, "a", "second")
    first.write()
    second.write()

    assert unnamed_heads(held, "a") == [second.named]


def test_a_writer_that_went_on_after_it_was_named_is_named_again():
    held = journal()
    first, second = Run(held, "a", "first"), Run(held, "a", "second")
    first.write()
    second.write()
    first.write()

    assert unnamed_heads(held, "a") == [first.named, second.named]


def test_a_writer_registered_early_that_writes_late_names_those_in_between():
    held = journal()
    early, late = Run(held, "a", "early"), Run(held, "a", "late")
    late.write()
    early.write()

    assert unnamed_heads(held, "a") == [early.named]


def test_other_tenants_are_not_named():
    held = journal()
    Run(held, "b", "other").write()

    assert unnamed_heads(held, "a") == []


def test_a_first_page_that_cannot_be_read_names_nobody_and_keeps_nobody_from_writing():
    held = journal()
    first, second = Run(held, "a", "first"), Run(held, "a", "second")
    first.write()
    page = second.write()
    held._pages[page.number] = msgspec.structs.replace(page, header=b"\xc1")

    assert open_chain(held, "a", "third").named == [first.named, second.named]
