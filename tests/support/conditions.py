"""Hypothesis strategies for conditions and selections that meet the records of `tests.support.records`."""

from hypothesis import strategies as st

from flowtrail.model.conditions import (
    AllOf,
    AnyOf,
    Between,
    BlockHas,
    Condition,
    DurationIs,
    FlowIs,
    HasFailures,
    HasTerm,
    HasTermPrefix,
    IdIs,
    IsLate,
    IsStuck,
    KeyStarts,
    Moment,
    Not,
    StatusIs,
    TypeIs,
)
from flowtrail.model.statuses import EXECUTION_STATUSES, TRANSACTION_STATUSES
from flowtrail.projection import terms
from flowtrail.storage.interface import Selection
from tests.support.records import BASE, IDS, instants, maybe, names

term_texts = st.sampled_from(
    [
        terms.object_term("4711", "order"),
        terms.key_term("customer", "C-9"),
        terms.key_term("batch", "C-10"),
        terms.trace_term("t1"),
        terms.predicate_term("paid"),
        terms.exception_term("KeyError"),
        terms.exception_term("ValueError"),
        terms.block_term("map", "failed"),
        terms.block_term("ship", "skipped"),
        terms.version_term("1"),
        terms.worker_term("w1"),
        terms.worker_term("nobody"),
    ]
)
prefixes = st.sampled_from(
    [terms.object_prefix("4711"), terms.key_prefix("C-9"), "o47", "kC-", "kC-1", "w", "zzz", "o\U0010ffff"]
)
durations = st.integers(-40, 200).map(lambda n: n * 1_000_000)

leaves: st.SearchStrategy[Condition] = st.one_of(
    st.builds(StatusIs, st.sampled_from(TRANSACTION_STATUSES)),
    st.builds(FlowIs, st.sampled_from(["shop", "bill", "", "none"])),
    st.builds(TypeIs, st.sampled_from(["order", "item", ""])),
    st.builds(HasTerm, term_texts),
    st.builds(HasTermPrefix, prefixes),
    st.builds(
        KeyStarts, st.sampled_from(["customer", "batch", "none"]), st.sampled_from(["C-", "C-1", "", "X"])
    ),
    st.builds(IdIs, st.sampled_from([*IDS, b"\x09" * 16])),
    st.builds(BlockHas, names, maybe(st.sampled_from(EXECUTION_STATUSES)), maybe(instants), maybe(instants)),
    st.builds(BlockHas, names, st.sampled_from(EXECUTION_STATUSES)),
    st.builds(Between, st.sampled_from(["opened", "ended", "updated"]), maybe(instants), maybe(instants)),
    st.builds(DurationIs, maybe(durations), maybe(durations)),
    st.just(HasFailures()),
    st.just(IsLate()),
    st.just(IsStuck()),
)
"""Conditions without parts."""

negatable = leaves | leaves.map(Not)
conditions: st.SearchStrategy[Condition] = st.recursive(
    negatable,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
    ),
    max_leaves=5,
)
"""Normalised trees: negation stands on leaves."""

moments = st.builds(
    Moment,
    st.integers(-2, 60).map(lambda n: BASE + n * 13_000_000),
    st.dictionaries(st.tuples(st.sampled_from(["shop", "bill", ""]), names), durations, max_size=2),
)


def selections(tenant: str, limits=(1, 2, 50)) -> st.SearchStrategy[Selection]:
    """Selections without a budget: how fast the machine is must not show."""
    return st.builds(
        Selection,
        st.just(tenant),
        moments,
        conditions,
        maybe(instants),
        maybe(instants),
        st.sampled_from(["opened", "updated", "ended"]),
        st.none(),
        st.sampled_from(limits),
        st.none(),
    )
