"""Producers over HTTP: what was sent and lost shows by session, in answers, metrics and on the page."""

from tests.support.served import problem, report, transaction


def rows(server, **question):
    return {each["producer"]: each for each in server.get("/v1/producers", **question).json()["producers"]}


def numbered(number, seq, producer="shop-1/7f3a"):
    return transaction(number, producer=producer, seq=seq)


def test_gaps_refusals_and_what_was_given_up_show_by_session(server):
    server.seen(numbered(1, 1), numbered(2, 2), numbered(3, 5), numbered(4, 1, "till 7/ä"))
    answer = server.post(
        {"kind": "nonsense", "producer": "shop-1/7f3a", "seq": 6},
        report("shop-1/7f3a", 7, produced=9, sent=7),
    )
    assert len(answer.json()["rejected"]) == 1
    server.get("/v1/flows")
    server.client.get("/v1/flows", headers={"Flowtrail-After": answer.json()["token"]})

    found = rows(server)
    assert list(found) == ["shop-1/7f3a", "till 7/ä"]
    shop = found["shop-1/7f3a"]
    assert (shop["verdict"], shop["last_seq"], shop["received"], shop["rejected"]) == ("gaps", 7, 5, 1)
    assert shop["gaps"] == [{"from": 3, "to": 4}]
    assert shop["report"]["unsent"] == 2
    assert rows(server, verdict="complete").keys() == {"till 7/ä"}
    assert rows(server, producer="till 7").keys() == {"till 7/ä"}

    single = server.client.get("/v1/producers/till%207%2F%C3%A4").json()
    assert single["producer"] == "till 7/ä"
    assert single["gaps"] == []
    problem(server.get("/v1/producers/nobody/1"), 404, "not_found")
    problem(server.get("/v1/producers", verdict="bad"), 400, "out_of_range")

    server.seen(numbered(5, 3), numbered(6, 4), numbered(7, 6))
    assert rows(server)["shop-1/7f3a"]["verdict"] == "complete"
    assert server.get("/v1/producers").json()["totals"]["rejected"] == 0


def test_a_page_of_refusals_alone_is_heard_too(server):
    answer = server.post({"kind": "nonsense", "producer": "a/1", "seq": 2})
    assert answer.status_code == 400
    server.seen(transaction())

    assert (rows(server)["a/1"]["rejected"], rows(server)["a/1"]["missing"]) == (1, 1)


def test_sending_everything_twice_changes_no_count(server):
    sent = [numbered(1, 1), numbered(2, 4), report("shop-1/7f3a", 5, produced=6, sent=5, dropped={"full": 1})]
    server.seen(*sent)
    before = rows(server)["shop-1/7f3a"]
    server.seen(*sent)
    after = rows(server)["shop-1/7f3a"]

    moving = {"last_seen", "silent_s"}
    assert {k: v for k, v in before.items() if k not in moving} == {
        k: v for k, v in after.items() if k not in moving
    }


def test_the_sums_are_metrics(server):
    server.seen(
        numbered(1, 1), numbered(2, 4), report("shop-1/7f3a", 5, produced=9, sent=5, dropped={"full": 3})
    )
    text = server.get("/metrics").text

    for name, value in (
        ("sessions", 1),
        ("sessions_troubled", 1),
        ("missing", 2),
        ("rejected", 0),
        ("dropped", 3),
    ):
        assert f"\nflowtrail_producer_{name} {value}.0\n" in text


def test_the_page_says_it_when_something_is_missing_and_nothing_else(server):
    evil = "<script>alert(1)</script>/'\"&"
    server.seen(numbered(1, 1))
    assert "Something is missing" not in server.get("/").text

    server.seen(numbered(2, 3), *(numbered(3, 2, f"{evil}{n}") for n in range(7)))
    page = server.get("/").text
    assert "Something is missing" in page
    assert "and 3 more sessions" in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "Something is missing" not in server.get("/", q="4711").text

    linked = server.client.get("/v1/producers/%3Cscript%3Ealert%281%29%3C/script%3E/%27%22%260")
    assert linked.json()["producer"] == f"{evil}0"
