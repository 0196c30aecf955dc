"""What must not leave the process is taken out of what is recorded, in every place, and counted."""

# ruff: noqa: PT012, SIM117 -- what is raised inside, and what is seen of it, is the subject

import msgspec
import pytest

import flowtrail
from flowtrail.model.errors import Refusal

CARD = "4111 1111 1111 1111"
KEY = "0123456789abcdef"


def rules(sink, **given):
    flowtrail.init(flow="shop-to-erp", sink=sink, **given)


def left_out(name):
    return flowtrail.stats().left_out.get(name, 0)


def test_names_said_at_the_call_are_redacted_at_every_depth(sink):
    before = left_out("redacted_by_call")
    with (
        flowtrail.transaction(
            "order", "4711", attributes={"card": CARD}, keys={"iban": "DE1"}, redact=["card", "iban"]
        ) as order,
        order.block("pay") as block,
    ):
        block.detail(card=CARD, nested=[{"card": CARD, "other": 1}], none={"card": None})
        block.skip("paid", expected={"card": CARD}, actual=CARD)

    opened, block, _ = sink.take()
    assert opened["attributes"] == {"card": "[redacted]"}
    assert opened["keys"] == {"iban": "[redacted]"}
    assert block["details"]["card"] == "[redacted]"
    assert block["details"]["nested"] == [{"card": "[redacted]", "other": 1}]
    assert block["details"]["none"] == {"card": None}
    assert block["skip"]["expected"] == {"card": "[redacted]"}
    assert left_out("redacted_by_call") == before + 5


def test_names_said_at_the_call_mean_what_they_mean_in_rules(sink):
    names = ["*IBAN*", "Card", "secret_*", *(f"n{number}" for number in range(200))]
    with (
        flowtrail.transaction("order", "4711", redact=names) as order,
        order.block("pay") as block,
    ):
        block.detail(my_iban_2="x", CARD="x", cards=1, secret_a="x", no_secret_b=2, n199="x")

    _, block, _ = sink.take()
    hidden = dict.fromkeys(["my_iban_2", "CARD", "secret_a", "n199"], "[redacted]")
    assert block["details"] == {**hidden, "cards": 1, "no_secret_b": 2}


@pytest.mark.parametrize(
    ("given", "field", "came"),
    [
        ({"redact_names": "password"}, "redact_names", "password"),
        ({"redact_names": 5}, "redact_names", "int"),
        ({"redact_names": ["ok", 5]}, "redact_names[1]", "int"),
        ({"redact_values": "card"}, "redact_values", "card"),
        ({"redact_policies": {"field": "details"}}, "redact_policies", "dict"),
        ({"redact_policies": ["none"]}, "redact_policies[0]", "none"),
        ({"redact_policies": [{"field": 5}]}, "redact_policies[0]", "dict"),
        ({"redact_with": "x"}, "redact_with", "x"),
        ({"redact_names": ["a*b"]}, "redact_names[0]", "a*b"),
        ({"version": 3}, "version", "3"),
        ({"worker": ""}, "worker", "''"),
    ],
)
def test_arguments_of_a_wrong_kind_are_refused_not_read_as_something_else(sink, given, field, came):
    with pytest.raises(Refusal) as refused:
        rules(sink, **given)

    assert refused.value.field == field
    assert refused.value.received == came
    assert field in str(refused.value)
    assert came in str(refused.value)
    assert refused.value.allowed in str(refused.value)


def test_a_sink_that_is_none_is_refused(sink):
    with pytest.raises(Refusal, match="sink cannot be used: str") as refused:
        rules("x")

    assert (refused.value.field, refused.value.received) == ("sink", "str")


def test_a_key_for_hashes_is_checked_and_never_shown(sink):
    for key in ("short-secret", 5):
        with pytest.raises(Refusal) as refused:
            rules(sink, redact_key=key)

        assert refused.value.field == "redact_key"
        assert "short-secret" not in str(refused.value)
        assert refused.value.received is None


def test_rules_given_once_hold_for_everything_that_is_said(sink):
    rules(sink, redact_names=["*password*"], redact_values=["card"], redact_key=KEY)
    before = left_out("redacted_by_name"), left_out("redacted_by_value")
    with (
        pytest.raises(ValueError, match="4111"),
        flowtrail.transaction("order", "4711", attributes={"db_password": "x"}) as order,
        order.block("pay") as block,
    ):
        block.detail(login={"Password": "x", "name": "alice"}, text=f"paid with {CARD}.")
        raise ValueError(f"declined: {CARD}")

    told = sink.take()
    assert "4111" not in msgspec.json.encode(told).decode()
    opened, block, end = told
    assert opened["attributes"] == {"db_password": "[redacted]"}
    assert block["details"]["login"] == {"Password": "[redacted]", "name": "alice"}
    assert block["details"]["text"] == "paid with [redacted]."
    assert block["exceptions"][0]["message"] == "declined: [redacted]"
    assert end["reason"] == "ValueError: declined: [redacted]"
    assert left_out("redacted_by_name") == before[0] + 2
    assert left_out("redacted_by_value") == before[1] + 3


def test_policies_say_what_becomes_of_a_field_of_a_flow(sink):
    policies = [
        {"flow": "shop-*", "field": "details.body", "policy": "none"},
        {"field": "details.customer", "policy": "hash"},
        {"field": "details.note", "policy": "redacted"},
        {"flow": "other", "field": "details.free", "policy": "none"},
    ]
    rules(sink, redact_policies=policies, redact_key=KEY)
    with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
        block.detail(body="x", customer="C-9", note="y", free="z")

    (told,) = sink.of("block")
    assert told["details"]["body"] is None
    assert told["details"]["customer"].startswith("hmac:")
    assert (told["details"]["note"], told["details"]["free"]) == ("[redacted]", "z")


def test_a_worker_under_a_policy_is_told_by_records_that_a_server_takes(sink):
    flowtrail.init(
        flow="shop-to-erp",
        worker="mapper-1",
        sink=sink,
        redact_policies=[{"field": "worker", "policy": "none"}],
        redact_key=KEY,
    )
    with flowtrail.transaction("order", "4711") as order, order.block("map"):
        pass

    (told,) = sink.of("block")
    assert told["worker"] is None


def test_a_function_has_the_last_word_and_what_it_fails_on_does_not_leave(sink):
    def judge(path, value):
        if path == "details.bad":
            raise RuntimeError
        if path == "details.object":
            return {1, "more than plain"}
        if path == "exceptions.message":
            return None
        return "***" if path == "details.card" else value

    rules(sink, redact_with=judge)
    with pytest.raises(ValueError, match="x"), flowtrail.transaction("order", "4711") as order:
        with order.block("map") as block:
            block.detail(card=CARD, bad="x", fine=1, object=0)
            raise ValueError("x")

    (told,) = sink.of("block")
    details = told["details"]
    assert (details["card"], details["bad"], details["fine"]) == ("***", "[redacted]", 1)
    assert len(details["object"]) == 2
    assert told["exceptions"][0]["message"] is None


def test_a_function_that_makes_texts_longer_costs_no_record(sink):
    rules(sink, redact_with=lambda _, value: value * 3 if isinstance(value, str) else value)
    with flowtrail.transaction("order", "4711", keys={"customer": "c" * 800}) as order:
        with order.block("map") as block:
            block.skip("known", "r" * 2_000)
        order.filter("known", "r" * 2_000)

    opened, skipped, end = sink.take()  # which the server's own reading takes
    for said, most in (
        (opened["keys"]["customer"], 1_000),
        *[(each, 4_000) for each in (skipped["skip"]["reason"], end["reason"])],
    ):
        assert len(said) == most
        assert "…[cut: " in said


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"redact_names": ["a*b"]}, "redact_names[0]"),
        ({"redact_values": ["(a+)+$("]}, "redact_values[0]"),
        ({"redact_values": ["card", "e-mail"]}, "redact_values[1]"),
        ({"redact_policies": [{"field": "details.x", "policy": "maybe"}]}, "redact_policies[0].policy"),
        ({"redact_names": ["x"], "redact_key": "short"}, "redact_key"),
        ({"redact_with": "not a function"}, "redact_with"),
        ({"flow": ""}, "flow"),
        ({"flow": 7}, "flow"),
        ({"version": "x" * 300}, "version"),
        ({"worker": "\0"}, "worker"),
        ({"url": "not a url"}, "url"),
        ({"memory_mib": 0}, "memory_mib"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused_by_init_alone(sink, given, field):
    with pytest.raises(Refusal) as refused:
        flowtrail.init(**{"flow": "shop-to-erp", "sink": sink, **given})

    assert refused.value.field == field
    assert "short" not in str(refused.value.received)


def test_an_init_that_is_refused_changes_nothing(sink, monkeypatch):
    monkeypatch.setattr("flowtrail.sdk.sessions.can_spill", lambda: False)
    with pytest.raises(Refusal, match="no locks"):
        flowtrail.init(flow="another", redact_names=["lines"], spill_dir="spill")

    with flowtrail.transaction("order", "4711", attributes={"lines": 3}):
        pass
    opened, _ = sink.take()
    assert (opened["flow"], opened["attributes"]) == ("shop-to-erp", {"lines": 3})


def test_a_setting_nobody_knows_is_refused(sink):
    with pytest.raises(TypeError, match="colour"):
        flowtrail.init(flow="f", sink=sink, colour="red")
