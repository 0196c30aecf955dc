"""What is normal at the moment of a question."""

from flowtrail.model.conditions import AllOf, IsStuck, Not, StatusIs
from flowtrail.model.records import BlockRecord
from flowtrail.query import moments
from tests.support.orders import NOW, S, orders
from tests.support.stores import TENANT, store_of

DAY = 86_400 * S
STUCK = AllOf((StatusIs("failed"), Not(IsStuck())))


def worked():
    """A store in which a block took ten minutes, often enough to know that this is normal."""
    told = list(orders(30))
    return store_of(
        [
            *told,
            *(
                BlockRecord(
                    transaction=order.id, at=order.at, id=order.id[-8:], block="map", status="succeeded",
                    started_at=NOW - 600 * S, ended_at=NOW,
                )
                for order in told
            ),
        ]
    )  # fmt: skip


def test_a_question_of_another_day_does_not_change_what_is_normal_today():
    store = worked()

    assert moments.moment_of(store, TENANT, STUCK, NOW + 30 * DAY).patience == {}
    now = moments.moment_of(store, TENANT, STUCK, NOW)
    assert {block for _, block in now.patience} == {"map"}
    assert all(patience > 1_000 * S for patience in now.patience.values())


def test_what_is_normal_is_kept_for_a_while_and_for_questions_about_it_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(moments, "normal_silence", lambda *arguments: asked.append(arguments) or {})
    store = worked()

    for _ in range(3):
        moments.moment_of(store, TENANT, STUCK, NOW)
    moments.moment_of(store, TENANT, StatusIs("failed"), NOW)

    assert len(asked) == 1
