"""What a test asks of a recorder, and what it reads when the answer is another."""

import threading

import pytest

import flowtrail as sdk
from flowtrail.testing import Journey, Recorder, recording
from tests.unit.testing.shop import handle


def broken(call, *given, **named) -> str:
    with pytest.raises(AssertionError) as caught:
        call(*given, **named)
    return str(caught.value)


# ------------------------------------------------------------------------------------- find


def test_a_transaction_is_found_by_object_key_id_and_itself(flowtrail):
    with sdk.transaction("order", "4711", keys={"customer": "C-9"}) as order:
        pass

    assert flowtrail.find("4711").id == order.id
    assert flowtrail.find("C-9").id == order.id
    assert flowtrail.find(order.id).object_id == "4711"
    assert flowtrail.find(order).object_id == "4711"
    assert flowtrail.find("4711", type="invoice") is None
    assert flowtrail.find("4711", flow="other") is None


def test_an_object_id_may_be_given_as_it_is_in_the_application(flowtrail):
    handle(4711)

    flowtrail.assert_delivered(4711)


def test_the_newest_of_several_is_found(flowtrail):
    handle("4711", country="FR")
    handle("4711")

    assert flowtrail.find("4711").status == "delivered"
    assert [seen.status for seen in flowtrail.transactions] == ["filtered", "delivered"]


def test_what_was_not_recorded_is_said_with_what_was(flowtrail):
    assert broken(flowtrail.get, "4712") == "nothing was recorded of '4712'; nothing was recorded at all"

    handle("4711")

    assert broken(flowtrail.get, "4712") == "nothing was recorded of '4712'; recorded: order 4711 (delivered)"


# ------------------------------------------------------------------------------------- paths


def test_a_path_is_its_blocks_in_order(flowtrail):
    handle("4711")

    flowtrail.assert_path("4711", ["validate", "map", "deliver"])
    flowtrail.assert_path("4711", ["validate/succeeded", "map", "deliver"])


@pytest.mark.parametrize(
    "path",
    [
        [],
        ["validate", "map"],
        ["validate", "map", "deliver", "notify"],
        ["map", "validate", "deliver"],
        ["validate", "map/failed", "deliver"],
    ],
)
def test_another_path_is_shown_with_the_life_of_the_object(flowtrail, path):
    handle("4711")

    told = broken(flowtrail.assert_path, "4711", path)

    assert "order 4711 took another way" in told
    assert flowtrail.find("4711").timeline() in told
    assert "✔ deliver" in told


def test_a_path_that_is_a_text_is_no_list_of_letters(flowtrail):
    handle("4711")

    with pytest.raises(TypeError, match=r"\['validate'\]"):
        flowtrail.assert_path("4711", "validate")


def test_a_status_that_differs_is_told(flowtrail):
    handle("4711")

    told = broken(flowtrail.assert_path, "4711", ["validate", "map/failed", "deliver"])

    assert "expected: validate > map/failed > deliver\n  it was:   validate > map/succeeded > deliver" in told


def test_blocks_that_began_at_the_same_instant_stand_in_the_order_they_were_told(flowtrail, flowtrail_clock):
    names = [f"block {number}" for number in range(50)]
    with sdk.transaction("order", "4711") as order:
        for name in names:
            with order.block(name):
                pass

    flowtrail.assert_path("4711", names)


def test_a_block_whose_name_has_a_slash_is_meant_as_it_is(flowtrail):
    with sdk.transaction("order", "4711") as order, order.block("GET /orders"):
        pass

    flowtrail.assert_path("4711", ["GET /orders"])


# ------------------------------------------------------------------------------------- outcomes


def test_what_was_skipped_and_filtered_is_asked_by_its_predicate(flowtrail):
    handle("4711", country="FR")

    flowtrail.assert_skipped(by="allowed_country")
    flowtrail.assert_skipped("4711", by="allowed_country", block="validate")
    flowtrail.assert_filtered("4711", by="allowed_country")
    assert "skipped nothing by 'stock'" in broken(flowtrail.assert_skipped, "4711", by="stock")
    assert "nothing was skipped in block 'map'" in broken(flowtrail.assert_skipped, block="map")
    assert "not by 'stock'" in broken(flowtrail.assert_filtered, "4711", by="stock")
    assert "it is filtered" in broken(flowtrail.assert_delivered, "4711")


def test_a_failure_is_asked_by_block_exception_and_message(flowtrail):
    with pytest.raises(KeyError):
        handle("4711", stock={"other": 1})

    flowtrail.assert_failed("4711")
    flowtrail.assert_failed("4711", KeyError, block="map", match="sku")
    flowtrail.assert_failed("4711", "KeyError")
    assert "with ValueError" in broken(flowtrail.assert_failed, "4711", ValueError)
    assert "in block 'deliver'" in broken(flowtrail.assert_failed, "4711", block="deliver")
    assert "matching 'price'" in broken(flowtrail.assert_failed, "4711", KeyError, match="price")


def test_the_cause_of_an_exception_counts_too(flowtrail):
    def look_up() -> None:
        try:
            {}["sku"]
        except KeyError as error:
            raise RuntimeError("no article") from error

    with pytest.raises(RuntimeError), sdk.transaction("order", "4711") as order, order.block("map"):
        look_up()

    flowtrail.assert_failed("4711", KeyError)
    flowtrail.assert_failed("4711", RuntimeError, match="article")


def test_a_failure_shows_where_it_was_raised(flowtrail):
    with pytest.raises(KeyError):
        handle("4711", stock={"other": 1})

    told = broken(flowtrail.assert_delivered, "4711")

    assert "✘ map failed" in told
    assert "KeyError: 'sku'" in told
    assert "shop.py" in told


def test_what_was_called_off_is_cancelled(flowtrail):
    with sdk.transaction("order", "4711") as order:
        order.cancel("the customer changed their mind", predicate="withdrawn")

    flowtrail.assert_cancelled("4711", by="withdrawn")


# ------------------------------------------------------------------------------------- under way


def test_what_is_still_under_way_is_seen_so(flowtrail):
    with sdk.transaction("order", "4711") as order, order.block("map"):
        assert flowtrail.find("4711").status == "in_transit"
        assert flowtrail.find("4711").block("map")["status"] == "running"
        assert "still in transit" in broken(flowtrail.assert_delivered, "4711")

    assert flowtrail.find("4711").block("map")["status"] == "succeeded"


def test_a_block_that_was_read_while_it_ran_is_two_records_and_one_execution(flowtrail):
    with sdk.transaction("order", "4711") as order, order.block("map"):
        assert len(flowtrail.records) == 2

    assert [record["kind"] for record in flowtrail.records] == ["transaction", "block", "block", "end"]
    assert [record["seq"] for record in flowtrail.records] == [1, 2, 3, 4]
    flowtrail.assert_path("4711", ["map"])


def test_start_and_end_that_nobody_looked_between_are_one_record(flowtrail):
    handle("4711")

    assert [record["kind"] for record in flowtrail.records] == [
        "transaction",
        "block",
        "block",
        "block",
        "end",
    ]


def test_what_was_left_unfinished_is_told_and_what_was_handed_over_is_not():
    with recording() as recorder:
        with sdk.transaction("order", "1") as order:
            order.inject(handover=True)
        recorder.assert_no_unfinished()

        sdk.transaction("order", "2").start()

        told = broken(recorder.assert_no_unfinished)
        assert told.startswith("1 left unfinished: order 2")
        assert "still in transit" in told

        recorder.allow_unfinished()
        recorder.assert_clean()


def test_what_is_resumed_elsewhere_is_one_transaction(flowtrail):
    with sdk.transaction("order", "4711") as order, order.block("send"):
        headers = order.inject(handover=True)

    with sdk.resume(headers) as order, order.block("receive"):
        pass

    flowtrail.assert_path("4711", ["send", "receive"])
    flowtrail.assert_delivered("4711")


# ------------------------------------------------------------------------------------- recording


def test_init_and_shutdown_of_the_application_open_nothing(flowtrail, tmp_path):
    sdk.init(flow="shop-to-erp", version="3", url="http://127.0.0.1:1", spill_dir=str(tmp_path / "spill"))
    handle("4711")

    assert flowtrail.find("4711").flow == "shop-to-erp"
    assert flowtrail.find("4711").found["version"] == "3"
    assert sdk.flush() is True
    assert list(tmp_path.iterdir()) == []


def test_everything_is_as_before_afterwards():
    from flowtrail.sdk.producer import producer

    def state():
        said = (producer.sink, producer.put, producer.flow, producer.version, producer.worker)
        return [*said, producer.outbox.put_slowly, producer.open_sink, producer.on_handover]

    before = state()
    with recording():
        sdk.init(flow="other", version="2", worker="w")
        assert state() != before

    assert state() == before


def test_a_transaction_that_was_left_open_is_not_the_current_one_afterwards():
    with recording() as recorder:
        sdk.transaction("order", "4711").__enter__()
        assert recorder.find("4711") is not None

    assert sdk.current_transaction() is None


def test_threads_record_into_the_same_recorder(flowtrail):
    threads = [threading.Thread(target=handle, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)

    assert {seen.object_id for seen in flowtrail.transactions} == {str(number) for number in range(8)}
    for number in range(8):
        flowtrail.assert_path(str(number), ["validate", "map", "deliver"])


def test_clear_forgets_what_was_recorded_so_far(flowtrail):
    handle("4711")
    flowtrail.clear()

    assert flowtrail.transactions == []
    assert flowtrail.records == []


def test_split_objects_are_told_with_where_they_came_from(flowtrail):
    with sdk.transaction("delivery", "D-1") as whole, sdk.transaction("order", "4711") as part:
        whole.link("split", child=part)

    assert "split from delivery D-1" in flowtrail.find("4711").timeline()
    assert "split to order 4711" in flowtrail.find("D-1").timeline()


# ------------------------------------------------------------------------------------- records by hand


def test_records_by_hand_are_read_as_a_server_reads_them():
    recorder = Recorder()
    journey = Journey("order", "4711", flow="shop-to-erp").block("map", failed=KeyError("sku")).end("failed")
    recorder.take(*journey.records())
    recorder.take({"kind": "block", "transaction": journey.id, "id": "7", "block": "x"})

    recorder.assert_failed("4711", KeyError, block="map")
    told = broken(recorder.assert_nothing_refused)
    assert "a server would refuse 1 record" in told
    assert "16 hex digits" in told or "id" in told


def test_texts_of_nothing_but_what_the_wire_does_not_take_are_taken(flowtrail):
    odd = "\0\ud800" * 20_000
    with sdk.transaction(odd, odd, keys={odd: odd}, attributes={odd: odd}) as order:
        with order.block(odd, stage=odd, worker=odd) as block:
            block.detail({odd: odd})
            block.usage(**{odd: 1})
            block.skip(odd, odd, expected=odd, actual=odd)
        with order.block("map") as block:
            block.fail(RuntimeError(odd))
        order.filter(odd, odd)

    flowtrail.assert_nothing_refused()
    assert [seen.status for seen in flowtrail.transactions] == ["filtered"]
