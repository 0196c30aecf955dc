"""What the projector keeps by differences equals what the definitions say, after every fold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from flowtrail.model.records import decode_record, encode_record
from flowtrail.projection.cells import add_into
from flowtrail.projection.contributions import contributions
from flowtrail.projection.derive import header_of, terms_of
from flowtrail.projection.difference import add_record
from flowtrail.projection.state import State
from flowtrail.projection.tally import Tally
from flowtrail.projection.tracked import Tracked
from tests.support.records import IDS, an_order, records

ONE = [IDS[0]]


def folded(batch):
    state = State()
    for record in batch:
        add_record(state, record)
    return state


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(records(ONE), min_size=1, max_size=4), min_size=1, max_size=6), st.booleans())
def test_a_tracked_state_equals_its_definition_after_every_batch(batches, reload):
    tracked = Tracked("default")
    seen, cells, terms, pieces, facts = [], {}, set(), [], None
    for batch in batches:
        seen.extend(batch)
        tally = Tally()
        before = tracked.header
        difference = tracked.fold(batch, tally)
        for key, cell in tally.cells().items():
            add_into(cells.setdefault(key, {}), cell)
        cells = {key: cell for key, cell in cells.items() if cell}
        state = folded(seen)
        assert tracked.state.encode() == state.encode()
        assert tracked.header == header_of(state)
        assert cells == contributions("default", state)
        if difference is None:
            assert before == tracked.header
        else:
            if difference.before is not None and difference.before.opened_at != tracked.header.opened_at:
                assert set(difference.terms_gone) == terms
            terms = terms.difference(difference.terms_gone).union(difference.terms_new)
            facts = difference.facts or facts
            pieces += [difference.piece] if difference.piece else []
        assert terms == terms_of(state)
        loaded = State.load(facts, pieces)
        assert loaded.encode() == state.encode()
        if reload:
            tracked = Tracked("default", loaded, "handle")
            assert tracked.header == header_of(state)


@settings(max_examples=300, deadline=None)
@given(st.lists(records(ONE), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_a_state_depends_on_the_set_of_records_alone(batch, random):
    shuffled = batch + random.choices(batch, k=3)
    random.shuffle(shuffled)
    cut = random.randrange(len(shuffled) + 1)
    left, right = folded(shuffled[:cut]), folded(shuffled[cut:])
    joined = State.load(left.encode_facts(), [right.encode_executions(), left.encode_executions()])
    for record in State.load(right.encode_facts(), []).opened:
        joined.add_transaction(record)
    for ends in right.ends.values():
        for record in ends:
            joined.add_end(record)
    assert joined.encode() == folded(batch).encode() == folded(shuffled).encode()


@pytest.mark.parametrize("kind", ["attributes", "details"])
def test_a_name_too_many_is_told_although_nothing_else_of_its_record_counts(kind):
    opened, execution = an_order(1)[:2]
    record, field = (opened, "attributes") if kind == "attributes" else (execution, "details")
    full = replace(record, **{field: {f"a{number:02}": number for number in range(64)}})
    earlier = replace(record, **{"at": record.at - 1, field: {"b": 1}})
    other = opened if record is execution else execution
    tracked = Tracked("default")

    told = [tracked.fold(batch, Tally()) for batch in ([other, full], [earlier])]

    assert tracked.header.truncated
    assert tracked.header == header_of(folded([earlier, full, other]))
    loaded = State.load(told[1].facts, [each.piece for each in told if each.piece])
    assert loaded.encode() == folded([earlier, full, other]).encode()
    assert tracked.fold([earlier], Tally()) is None


def test_what_the_executions_of_an_open_transaction_say_alike_is_held_once():
    def arrived(number=0):
        changed = [replace(record, producer="shop/1") for record in an_order(1)[:-1]]
        if number:
            changed = [
                replace(record, id=bytes((number, place) * 4)) for place, record in enumerate(changed[1:])
            ]
        return [decode_record(encode_record(record)) for record in changed]

    tracked, other, tally = Tracked("default"), Tracked("default"), Tally()
    tracked.fold(arrived(), tally)
    other.fold(arrived(), tally)
    tracked.fold(arrived(9), tally)

    held = [record for each in (tracked, other) for record in each.state.executions.values()]
    assert len(held) == 6
    # The transaction once for each time that something arrived, names once for all.
    for name, objects in (("transaction", 3), ("block", 2), ("producer", 1)):
        assert len({id(getattr(record, name)) for record in held}) == objects
