"""Inclusion proofs: they show one record and no other."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.ledger.merkle import leaf_hash
from flowtrail.ledger.pages import erase
from flowtrail.ledger.proofs import prove, verify
from flowtrail.model.errors import Refusal
from flowtrail.model.records import BlockRecord, encode_record
from tests.support.pages import lists_of_records, page_of


@given(lists_of_records, st.data())
def test_every_record_of_a_page_can_be_proven(held, data):
    page = page_of(held, rejected=[("a/1", 3)])
    leaf = data.draw(st.integers(0, len(held) - 1))

    proof = prove(page, leaf)

    assert proof.record == encode_record(held[leaf])
    assert verify(proof, page.hash)


@given(lists_of_records, st.data())
def test_a_proof_of_anything_else_fails(held, data):
    page, other = page_of(held), page_of(held)
    leaf = data.draw(st.integers(0, len(held) - 1))
    proof = prove(page, leaf)

    assert not verify(proof, other.hash)
    false = [
        {"record": proof.record + b"\0"},
        {"salt": bytes(16)},
        {"leaf": leaf + 1},
        {"leaf": -1},
        {"path": [*proof.path, bytes(32)]},
        {"previous": bytes(32)},
        {"header": proof.header[:-1] + b"\xc0"},
        {"header": b"\x90"},
    ]
    assert [change for change in false if verify(msgspec.structs.replace(proof, **change), page.hash)] == []


@given(lists_of_records)
def test_the_border_between_salt_and_record_cannot_be_moved(held):
    page = page_of(held)
    proof = prove(page, 0)

    longer = msgspec.structs.replace(proof, salt=proof.salt + proof.record[:1], record=proof.record[1:])
    shorter = msgspec.structs.replace(proof, salt=proof.salt[:-1], record=proof.salt[-1:] + proof.record)

    assert not verify(longer, page.hash)
    assert not verify(shorter, page.hash)


def test_a_node_of_the_tree_does_not_pass_for_a_leaf():
    page = page_of([BlockRecord(b"t" * 16, n, id=bytes([n]) * 8) for n in range(1, 5)])
    proofs = [prove(page, leaf) for leaf in range(2)]
    nodes = b"".join(leaf_hash(proof.salt, proof.record) for proof in proofs)
    forged = msgspec.structs.replace(proofs[0], salt=nodes[:16], record=nodes[16:], path=proofs[0].path[1:])

    assert not verify(forged, page.hash)


def test_a_proof_shows_no_other_record_and_no_means_to_guess_one():
    held = [BlockRecord(b"t" * 16, n, id=bytes([n]) * 8, worker=f"worker-{n}") for n in range(1, 10)]
    page = page_of(held)

    shown = msgspec.msgpack.encode(prove(page, 4))

    assert b"worker-5" in shown
    assert [n for n in range(1, 10) if n != 5 and f"worker-{n}".encode() in shown] == []
    assert page.secret not in shown
    assert [n for n in range(9) if n != 4 and prove(page, n).salt in shown] == []


def test_what_stays_after_an_erasure_can_still_be_proven_and_what_went_cannot():
    held = [BlockRecord(b"t" * 16, n, id=bytes([n]) * 8) for n in range(1, 6)]
    page = page_of(held)
    before = [prove(page, leaf) for leaf in range(5)]

    kept = erase(page, 2)

    assert [prove(kept, leaf) for leaf in (0, 1, 3, 4)] == [before[leaf] for leaf in (0, 1, 3, 4)]
    assert verify(before[2], page.hash), "a proof that somebody kept goes on to hold"
    with pytest.raises(Refusal) as refusal:
        prove(kept, 2)
    assert (refusal.value.code, refusal.value.status) == ("erased", 410)


@pytest.mark.parametrize("leaf", [-1, 1])
def test_a_record_that_is_not_there_cannot_be_proven(leaf):
    page = page_of([BlockRecord(b"t" * 16, 1, id=b"e" * 8)])

    with pytest.raises(Refusal) as refusal:
        prove(page, leaf)
    assert refusal.value.status == 404
