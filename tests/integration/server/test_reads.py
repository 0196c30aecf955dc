"""Every read: what it answers, what it refuses, and that answers look as /openapi.json says."""

import re

import msgspec
import pytest

from flowtrail.server.answers import Problem
from flowtrail.server.routes.reads import READS
from tests.support.served import problem, served, transaction, transaction_id

ID = transaction_id(1)
PATHS = {
    "/v1/transactions": "/v1/transactions",
    "/v1/objects": "/v1/objects?type=order&id=4711",
    "/v1/statistics": "/v1/statistics?group_by=block&step=1h",
    "/v1/flows": "/v1/flows",
    "/v1/flows/{flow:path}": "/v1/flows/shop-to-erp",
    "/v1/producers": "/v1/producers",
    "/v1/producers/{producer:path}": "/v1/producers/shop-1/7f3a",
} | {read.path: read.path.replace("{id}", ID) for read in READS if "{id}" in read.path}


def path_of(read):
    return PATHS[read.path]


reads = pytest.mark.parametrize("read", READS, ids=lambda read: read.path)


@reads
def test_an_answer_has_the_members_that_are_described_and_no_others(told, read):
    answer = told.client.get(path_of(read))

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    msgspec.json.decode(answer.content, type=read.answer, strict=True)


@reads
def test_an_unknown_parameter_is_refused_with_those_there_are(told, read):
    path = path_of(read)

    answer = told.client.get(f"{path}{'&' if '?' in path else '?'}nonsense=1")

    refused = problem(answer, 400, "unknown_parameter")
    assert refused["field"] == "nonsense"
    msgspec.json.decode(answer.content, type=Problem)


@reads
def test_a_repeated_parameter_is_refused(told, read):
    for parameter in read.parameters:
        path = path_of(read).partition("?")[0]
        answer = told.client.get(f"{path}?{parameter.name}=a&{parameter.name}=a")
        assert problem(answer, 400, "repeated_parameter")["field"] == parameter.name


@reads
def test_a_read_has_a_head_and_no_other_method(told, read):
    head = told.client.head(path_of(read))
    assert (head.status_code, head.content) == (200, b"")

    for method in ("POST", "PUT", "DELETE", "PATCH"):
        refused = problem(told.client.request(method, path_of(read)), 405, "method_not_allowed")
        assert refused["allowed"] == "GET, HEAD"


@reads
def test_a_read_waits_for_what_was_written(told, read):
    token = told.written(transaction(7))

    answer = told.client.get(path_of(read), headers={"Flowtrail-After": token})

    assert answer.status_code == 200, answer.text
    assert told.services.store.transactions.find("default", bytes.fromhex(transaction_id(7))) is not None


@reads
def test_what_is_not_a_token_is_refused(told, read):
    for token in ("nonsense", "", "AQEBkJ-y8"):
        refused = problem(
            told.client.get(path_of(read), headers={"Flowtrail-After": token}), 400, "invalid_token"
        )
        assert refused["field"] == "Flowtrail-After"


@pytest.mark.parametrize("read", [read for read in READS if "{id}" in read.path], ids=lambda read: read.path)
def test_an_unknown_transaction_is_404_and_a_malformed_id_400(told, read):
    unknown, malformed = (read.path.replace("{id}", each) for each in ("f" * 32, "ABC"))

    problem(told.client.get(unknown), 404, "not_found")
    assert problem(told.client.get(malformed), 400, "invalid_id")["received"] == "ABC"


@pytest.mark.parametrize(
    "path", ["/nope", "/v1", "/v1/transactions/", "/v1/records/", "/docs", "/redoc", "//"]
)
def test_what_is_no_route_is_404(told, path):
    problem(told.client.get(told.url + path), 404, "no_such_route")


def test_a_flow_may_have_any_name(server):
    server.seen(transaction(flow="shop/erp ä?"))

    answer = server.client.get("/v1/flows/shop%2Ferp%20%C3%A4%3F")

    assert answer.json()["flow"] == "shop/erp ä?"
    problem(server.client.get("/v1/flows/none"), 404, "not_found")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page_size=0", "page_size"),
        ("page_size=1001", "page_size"),
        ("page_size=%EF%BC%91", "page_size"),
        ("page_size=1_0", "page_size"),
        ("page_size=", "page_size"),
        ("sort=size", "sort"),
        ("count=all", "count"),
        ("from=yesterday", "from"),
        ("from=2026-11-23T10:00:00", "from"),
        ("to=1700000000", "to"),
        ("page_token=abc", "page_token"),
        ("q=status:", "q"),
        ("q=" + "x" * 4097, "q"),
    ],
)
def test_a_value_out_of_range_is_400_and_names_its_parameter(told, query, field):
    answer = told.client.get(f"/v1/transactions?{query}")

    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert len(answer.json()["received"]) <= 120, "what came is shown shortened"


@pytest.mark.parametrize("query", ["q=%zz", "q=%f", "q=%ff", "q=\xff", "&".join(f"q{n}=" for n in range(99))])
def test_a_query_string_that_is_not_percent_encoded_utf_8_is_refused(told, query):
    got = told.raw(
        b"GET /v1/transactions?"
        + query.encode("latin-1")
        + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )

    assert got.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"malformed_query_string"' in got or b'"code":"malformed_request"' in got


def test_an_object_must_be_named_whole(told):
    for asked, field, received in (({"type": "order"}, "id", None), ({"type": "", "id": "1"}, "type", "")):
        refusal = problem(told.get("/v1/objects", **asked), 400, "missing_parameter")
        assert (refusal["field"], refusal.get("received")) == (field, received)
        assert refusal["allowed"] == "a text that is not empty"


def test_pages_are_walked_by_token_and_a_token_is_bound_to_its_question(told):
    first = told.get("/v1/transactions", page_size="1").json()
    second = told.get("/v1/transactions", page_size="1", page_token=first["next_page_token"]).json()

    assert first["transactions"][0]["id"] != second["transactions"][0]["id"]
    other = told.get("/v1/transactions", q="status:failed", page_token=first["next_page_token"])
    assert problem(other, 400, "invalid_page_token")["field"] == "page_token"


def test_counts_lead_to_the_queries_that_list_them(told):
    statistics = told.get("/v1/statistics", group_by="block").json()
    (shipped,) = (bucket for bucket in statistics["buckets"] if bucket["group"]["block"] == "ship")

    found = told.get("/v1/transactions", q=shipped["executions"]["queries"]["failed"]).json()

    assert [item["id"] for item in found["transactions"]] == [ID]


def test_everything_of_one_transaction_is_told(told):
    whole = told.get(f"/v1/transactions/{ID}").json()

    assert (whole["status"], whole["has_failures"], whole["duration_s"]) == ("failed", True, 1.99988)
    assert [each["block"] for each in whole["blocks"]] == ["map", "ship"]
    assert whole["blocks"][1]["exceptions"][0]["type"] == "KeyError"
    assert whole["blocks"][0]["wait_s"] == 0.05
    assert whole["progress"]["expected"] == 2
    records = told.get(f"/v1/transactions/{ID}/records").json()["records"]
    assert [each["record"]["kind"] for each in records] == ["transaction", "block", "block", "end"]
    children = told.get(f"/v1/transactions/{ID}/lineage").json()["children"]
    assert [child["id"] for child in children] == [transaction_id(2)]


def test_what_does_not_become_visible_in_time_is_504_and_safe():
    with served(projecting=False, after_timeout_s=0.05) as server:
        token = server.written(transaction())

        answer = server.client.get("/v1/transactions", headers={"Flowtrail-After": token})

        told = problem(answer, 504, "not_yet_visible")
        assert "safe" in told["detail"]
        assert int(answer.headers["retry-after"]) >= 1
        assert server.get("/v1/transactions").json()["total"] == 0, (
            "without the header it is answered as it is"
        )


def test_reading_after_a_write_waits_for_other_writers_too(told):
    from flowtrail.intake.committer import Committer
    from tests.support.batches import batch

    other = Committer(told.store.journal)
    other.start()
    other.submit("default", batch(1)).result(10)
    own = told.written(transaction(8))

    assert told.client.get("/v1/transactions", headers={"Flowtrail-After": own}).status_code == 200

    heads = {head.writer.ordinal: head.sequence for head in told.store.journal.heads()}
    assert len(heads) == 2
    assert told.store.changes.visible() == heads
    other.close()


def test_while_views_are_rebuilt_reads_say_so_and_waiting_is_refused(told, monkeypatch):
    monkeypatch.setattr("flowtrail.server.waiting.PROJECTION_VERSION", 99)
    monkeypatch.setattr(told.services.waiting, "_version_known", float("-inf"))

    answer = told.client.get("/v1/transactions")
    assert (answer.status_code, answer.headers["flowtrail-views"]) == (200, "rebuilding")
    waiting = told.client.get("/v1/transactions", headers={"Flowtrail-After": told.written(transaction(9))})
    problem(waiting, 503, "rebuilding")
    assert int(waiting.headers["retry-after"]) >= 1

    monkeypatch.undo()
    told.services.waiting._version_known = float("-inf")


def test_a_read_that_takes_too_long_is_504():
    with served(read_timeout_s=0.05) as server:
        release = hang(server)
        problem(server.get("/v1/flows"), 504, "read_timeout")
        release.set()


def test_with_too_many_reads_waiting_the_next_is_503():
    with served(read_threads=1) as server:
        server.services.reads._most = 0
        answer = server.get("/v1/flows")
        problem(answer, 503, "too_many_reads")
        assert answer.headers["retry-after"] == "1"


def test_what_nobody_foresaw_is_500_shows_nothing_of_itself_and_stands_in_the_log(
    server, monkeypatch, caplog
):
    def fail(*_args):
        raise ZeroDivisionError("the secret of the inside")

    monkeypatch.setattr(server.store.transactions, "definitions", fail)

    answer = server.get("/v1/flows")

    problem(answer, 500, "internal")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "the secret of the inside" in caplog.text


def test_a_store_that_does_not_answer_is_503(server, monkeypatch):
    from flowtrail.model.errors import StoreUnavailable

    def fail(*_args):
        raise StoreUnavailable("nobody answers at port 27017")

    monkeypatch.setattr(server.store.transactions, "definitions", fail)

    answer = server.get("/v1/flows")

    problem(answer, 503, "store_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_refusal_never_speaks_of_the_framework(told):
    for path in ("/v1/transactions?q=%20(", "/v1/objects", "/v1/statistics?step=x", "/v1/transactions/x"):
        text = told.client.get(path).text
        assert not re.search(r"pydantic|fastapi|starlette|Traceback|loc\"", text), text


def hang(server):
    """Have the store hang until the event is set."""
    import threading

    release = threading.Event()
    server.store.transactions.definitions = lambda *_: release.wait(20) and []
    return release
