"""Page tokens: bound to one question, one tenant and one route; what is altered or none is refused."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.model.instants import format_instant
from flowtrail.query.cursors import read_page_token, write_page_token
from flowtrail.query.transactions import list_blocks, list_records, list_transactions
from tests.support.orders import HEX, ID, NOW, ORDER, T, orders
from tests.support.refusals import refused
from tests.support.stores import TENANT, store_of


@pytest.mark.parametrize(
    "changed",
    [
        {"q": "status:failed"},
        {"from_": format_instant(T)},
        {"to": format_instant(NOW)},
        {"sort": "updated"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_token_is_bound_to_its_question(changed):
    store = store_of(orders(6))
    token = list_transactions(store, TENANT, page_size="2", now=NOW)["next_page_token"]

    error = refused(list_transactions, store, TENANT, page_token=token, now=NOW, **changed)

    assert (error.status, error.code, error.field) == (400, "invalid_page_token", "page_token")


def test_a_token_belongs_to_one_tenant_and_one_route():
    store = store_of([*orders(6), *ORDER])
    token = list_transactions(store, TENANT, page_size="2", now=NOW)["next_page_token"]
    blocks = list_blocks(store, TENANT, HEX, "1")["next_page_token"]

    assert (
        refused(list_transactions, store, "another", page_token=token, now=NOW).code == "invalid_page_token"
    )
    assert refused(list_transactions, store, TENANT, page_token=blocks, now=NOW).code == "invalid_page_token"
    assert refused(list_records, store, TENANT, HEX, None, token).code == "invalid_page_token"


@given(st.data())
def test_an_altered_token_is_refused(data):
    question = ("transactions", "default", "", None, None, "opened")
    token = write_page_token(question, [T, ID, 7, NOW])
    place = data.draw(st.integers(0, len(token) - 1))
    altered = token[:place] + data.draw(st.sampled_from("aZ0_-=. é")) + token[place + 1 :]

    if altered != token:
        error = refused(read_page_token, altered, question, int, bytes, int, int)
        assert error.code == "invalid_page_token"


@pytest.mark.parametrize(
    "position", [[1 << 63, ID, 7, NOW], [T, ID[:8], 7, NOW], [T, ID, 7], [T, 7, ID, NOW], [T, ID, 7, NOW, 1]]
)
def test_a_position_that_no_store_could_take_is_refused_even_in_a_proper_token(position):
    token = write_page_token(("q",), position)

    assert refused(read_page_token, token, ("q",), int, bytes, int, int).code == "invalid_page_token"


@pytest.mark.parametrize(
    "text", ["", "x", "é", base64.urlsafe_b64encode(b"\x93\x01\x02\x03").decode(), "A" * 2_000]
)
def test_what_is_no_token_at_all_is_refused(text):
    store = store_of(orders(3))
    if not text:
        assert list_transactions(store, TENANT, page_token=text, now=NOW)["total"] == 3
    else:
        assert (
            refused(list_transactions, store, TENANT, page_token=text, now=NOW).code == "invalid_page_token"
        )
