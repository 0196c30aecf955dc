"""`POST /v1/records`: what is accepted, what is refused, and what the store's trouble looks like."""

import gzip
import threading

import pytest
import zstandard

from flowtrail.model.errors import StoreFull, StoreUnavailable
from flowtrail.storage import open_store
from tests.support.faults import FaultyJournal, until
from tests.support.served import (
    NDJSON,
    block,
    end,
    ndjson,
    problem,
    served,
    transaction,
    transaction_id,
)

PATH = "/v1/records"


def test_accepted_records_are_answered_with_how_durable_they_are_and_a_token(server):
    answer = server.post(transaction(), block(), end())

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert (told["accepted"], told["rejected"], told["durable"]) == (3, [], "none")
    assert isinstance(told["token"], str)


def test_on_sqlite_the_answer_says_on_disk(tmp_path):
    with served(f"sqlite:{tmp_path / 'store'}", projecting=False) as server:
        assert server.post(transaction()).json()["durable"] == "disk"
        assert [head.sequence for head in server.store.journal.heads()] == [1]


@pytest.mark.parametrize("media_type", ["application/x-ndjson", "application/jsonl"])
def test_lines_are_taken_under_both_their_names(server, media_type):
    answer = server.post(transaction(), **{"Content-Type": media_type})

    assert answer.json()["accepted"] == 1


def test_a_json_array_is_taken_too(server):
    answer = server.client.post(PATH, json=[transaction(), end()])

    assert answer.json()["accepted"] == 2


@pytest.mark.parametrize(
    ("coding", "code"), [(gzip.compress, "gzip"), (zstandard.ZstdCompressor().compress, "zstd")]
)
def test_coded_bodies_are_taken(server, coding, code):
    body = coding(ndjson([transaction(), block(), end()]))

    answer = server.client.post(PATH, content=body, headers=NDJSON | {"Content-Encoding": code})

    assert answer.json()["accepted"] == 3


def test_a_body_in_chunks_is_taken(server):
    lines = [line + b"\n" for line in ndjson([transaction(), block(), end()]).splitlines()]

    answer = server.client.post(PATH, content=iter(lines), headers=NDJSON)

    assert answer.json()["accepted"] == 3


def test_a_batch_of_good_and_bad_is_accepted_in_part_and_says_what_is_wrong_where(server):
    answer = server.post(transaction(), {"kind": "nonsense"}, end(outcome="vanished"))

    assert answer.status_code == 200
    told = answer.json()
    assert told["accepted"] == 1
    assert [entry["index"] for entry in told["rejected"]] == [1, 2]
    assert all(entry["code"] and entry["message"] for entry in told["rejected"])


def test_a_batch_of_which_nothing_is_accepted_is_400_with_the_same_list(server):
    told = problem(server.post({"kind": "nonsense"}, end(outcome="vanished")), 400, "nothing_accepted")

    assert told["accepted"] == 0
    assert [entry["index"] for entry in told["rejected"]] == [0, 1]


def test_an_empty_body_is_told_apart(server):
    problem(server.client.post(PATH, content=b"", headers=NDJSON), 400, "empty_body")


def test_a_media_type_that_is_no_record_names_the_header(server):
    for headers in ({"Content-Type": "text/csv"}, {}):
        answer = server.client.post(PATH, content=b"x", headers=headers)
        told = problem(answer, 415, "unsupported_media_type")
        assert told["field"] == "Content-Type"
        assert "application/x-ndjson" in told["allowed"]


def test_a_coding_that_is_not_understood_names_the_header(server):
    answer = server.client.post(PATH, content=b"x", headers=NDJSON | {"Content-Encoding": "br"})

    told = problem(answer, 415, "unsupported_encoding")
    assert told["field"] == "Content-Encoding"
    assert "gzip" in told["allowed"]


def test_a_body_that_declares_too_much_is_refused_before_it_is_sent(server):
    head = b"POST /v1/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"

    got = server.raw(head + b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")

    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in got
    assert b"body_too_large" in got


def test_a_body_that_grows_too_long_is_cut_off(server):
    chunks = iter([b" " * 1_000_000] * 22)

    answer = server.client.post(PATH, content=chunks, headers=NDJSON)

    told = problem(answer, 413, "body_too_large")
    assert "bytes" in told["allowed"]


def test_a_bomb_is_refused_though_it_is_small_as_sent(server):
    body = gzip.compress(b" " * 30_000_000)

    answer = server.client.post(PATH, content=body, headers=NDJSON | {"Content-Encoding": "gzip"})

    assert answer.status_code == 413
    assert answer.json()["code"] in {"body_too_large", "compression_ratio"}


def test_a_parameter_is_refused(server):
    answer = server.client.post(PATH + "?tenant=x", content=ndjson([transaction()]), headers=NDJSON)

    assert problem(answer, 400, "unknown_parameter")["field"] == "tenant"


def test_other_methods_are_refused_with_the_one_that_is_allowed(server):
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = server.client.request(method, PATH)
        assert problem(answer, 405, "method_not_allowed")["allowed"] == "POST"
        assert answer.headers["allow"] == "POST"


def test_sending_again_changes_nothing(server):
    server.seen(transaction(), block(), end())
    before = server.get(f"/v1/transactions/{transaction_id()}").json()

    server.seen(transaction(), block(), end())

    assert server.get(f"/v1/transactions/{transaction_id()}").json() == before
    assert server.get("/v1/transactions").json()["total"] == 1


def test_a_server_that_only_reads_takes_nothing_in_and_says_who_does(tmp_path):
    url = f"sqlite:{tmp_path / 'store'}"
    open_store(url).close()
    with served(url, writing=False, projecting=False) as server:
        told = problem(server.post(transaction()), 403, "read_only")

    assert "flowtrail serve" in told["detail"]


def faulty():
    store = open_store("memory:")
    store.journal = FaultyJournal(store.journal)
    return store


def test_a_full_disk_is_507_with_when_to_come_back_and_intake_goes_on_by_itself():
    store = faulty()
    with served(store=store) as server:
        store.journal.break_down(StoreFull("no space left on device"))
        for _ in range(2):
            answer = server.post(transaction())
            problem(answer, 507, "store_full")
            assert int(answer.headers["retry-after"]) >= 1
        assert server.get("/v1/transactions").status_code == 200, "reading goes on"
        problem(server.get("/readyz"), 503, "not_ready")

        store.journal.mend()

        until(lambda: server.post(transaction()).status_code == 200)
        until(lambda: server.get("/readyz").status_code == 200)


def test_a_store_that_is_gone_is_503_with_when_to_come_back():
    store = faulty()
    with served(store=store) as server:
        store.journal.break_down(StoreUnavailable("nobody answers"))
        # The first may be answered only when what became of it is given up as unknown.
        answers = []
        first = threading.Thread(target=lambda: answers.append(server.post(transaction())))
        first.start()
        until(lambda: server.services.intake.committer.failure is not None)

        answer = server.post(transaction(2))

        problem(answer, 503, "store_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        store.journal.mend()
        first.join()
        assert answers[0].status_code == 200


def test_a_server_that_holds_too_many_bodies_says_busy_and_takes_the_next_one_later(monkeypatch):
    with served() as server:
        monkeypatch.setattr(server.services.bodies, "_most", 10)
        answer = server.post(transaction())
        problem(answer, 503, "busy")
        assert answer.headers["retry-after"] == "1"

        monkeypatch.setattr(server.services.bodies, "_most", 1_000_000)

        assert server.post(transaction()).status_code == 200
        assert server.services.bodies.held == 0, "whatever was refused or taken is given back"


def test_too_much_waiting_is_429_with_when_to_come_back(monkeypatch):
    monkeypatch.setattr("flowtrail.intake.admission.MAX_WAITING_BODIES", 0)
    with served() as server:
        answer = server.post(transaction())

    problem(answer, 429, "intake_full")
    assert int(answer.headers["retry-after"]) >= 1


def test_many_requests_at_once_share_commits():
    store = faulty()
    with served(store=store) as server:
        answers = []
        store.journal.block()
        threads = [
            threading.Thread(target=lambda n=n: answers.append(server.post(transaction(n)).status_code))
            for n in range(1, 13)
        ]
        for thread in threads:
            thread.start()
        committer = server.services.intake.committer
        until(lambda: committer.queued_records == 12)
        store.journal.unblock()
        for thread in threads:
            thread.join()

        assert answers == [200] * 12
        assert committer.counts.commits < 12
