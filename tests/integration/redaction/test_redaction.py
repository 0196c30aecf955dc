"""What must not be kept is nowhere once it came to a server with rules: journal, views, answers, files."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowtrail.ledger.pages import encoded_records
from flowtrail.model.errors import Refusal
from flowtrail.server.settings import read_settings
from tests.support.foreign import everything, items, whole
from tests.support.served import Served, block, end, ndjson, served, transaction, transaction_id

SECRET = "geheim-4711"
MAIL = "anna@example.com"
KEY = "a key that is long enough"
RULES = {
    "names": ["*password*", "authorization"],
    "values": ["email", f"(?:{SECRET})"],
    "policies": [
        {"field": "details.payload", "policy": "none"},
        {"field": "attributes.customer", "policy": "hash"},
        {"field": "details.kept", "policy": "full"},
        {"flow": "other", "field": "details.only", "policy": "redacted"},
    ],
}


@pytest.fixture(params=["sqlite", pytest.param("mongodb", marks=pytest.mark.mongodb)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    url = f"sqlite:{tmp_path}" if request.param == "sqlite" else request.getfixturevalue("mongodb_url")
    with served(url, redaction=json.dumps(RULES), redaction_key=KEY) as running:
        yield running


def told(text):
    """Records that hold the text wherever a producer can put text."""
    failure = {
        "type": f"Error.{text}",
        "message": f"no {text}!",
        "module": f"m.{text}",
        "stacktrace": f"line 1\n  at {text}\n",
        "frames": [{"file": f"{text}.py", "function": text, "module": text}],
        "cause": {"type": "Cause", "message": text},
    }
    nested = {"list": [f"say {text}", {text: {"deep": text}}]}
    return [
        transaction(
            1,
            flow=f"flow {text}",
            version=text,
            object_type=text,
            object_id=text,
            keys={"customer": text, text: "x"},
            attributes={"note": f"say {text} twice: {text}", "nested": nested},
            trace=text,
            producer=f"shop {text}/1",
            seq=1,
        ),
        block(
            1,
            1,
            block=text,
            stage=text,
            worker=text,
            status="failed",
            details=nested,
            exceptions=[failure],
            usage={text: 1},
        ),
        block(
            1,
            2,
            status="skipped",
            skip={"predicate": text, "reason": f"as {text}", "expected": nested, "actual": text},
        ),
        end(1, "filtered", reason=f"because of {text}", predicate=text),
        {
            "kind": "flow",
            "flow": text,
            "version": text,
            "at": "2026-11-23T10:00:00Z",
            "stages": [text],
            "blocks": [{"name": text, "stage": text}],
        },
        {
            "kind": "report",
            "producer": f"shop {text}/1",
            "seq": 2,
            "at": "2026-11-23T10:00:00Z",
            "produced": 3,
            "sent": 2,
            "dropped": {text: 1},
        },
        {"kind": "block", "producer": f"refused {text}/1", "seq": 1},
    ]


def written(server: Served) -> bytes:
    """Everything that stands in the store, as far as it can be read at all, and all its files."""
    found = []
    journal = server.store.journal
    for writer in journal.writers():
        for page in journal.iter_pages(writer.ordinal):
            found += [page.header, *(record for record in encoded_records(page) if record is not None)]
    url = server.services.settings.store
    if url.startswith("sqlite:"):
        found += [
            path.read_bytes() for path in Path(url.removeprefix("sqlite:")).rglob("*") if path.is_file()
        ]
    else:
        from pymongo import MongoClient

        with MongoClient(url) as client:
            database = client.get_default_database()
            for name in database.list_collection_names():
                found += [repr(document).encode() for document in database[name].find()]
    return b"\n".join(found)


def answered(server: Served) -> str:
    """Everything that can be read over HTTP."""
    said = [json.dumps(everything(server)), server.get("/v1/flows").text, server.get("/").text]
    for item in items(server):
        said.append(server.get(f"/v1/transactions/{item['id']}/records").text)
        said.append(server.get(f"/v1/flows/{item['flow']}").text)
    said += [server.get(path).text for path in ("/metrics", "/v1/producers")]
    return "\n".join(said)


@pytest.mark.parametrize("text", [SECRET, MAIL])
def test_a_value_that_a_pattern_finds_is_nowhere_afterwards(server, text):
    answer = server.client.post(
        "/v1/records", content=ndjson(told(text)), headers={"Content-Type": "application/x-ndjson"}
    )

    assert (answer.status_code, answer.json()["accepted"]) == (200, 6), answer.text
    assert answer.json()["redacted"] > 30
    assert text not in answered(server)
    assert text.encode() not in written(server)
    read = server.get(f"/v1/transactions/{transaction_id(1)}").json()
    assert read["attributes"]["note"] == "say [redacted] twice: [redacted]"
    assert read["object_id"] == read["keys"]["customer"] == read["trace"]
    assert read["object_id"].startswith("hmac:")
    assert [each["status"] for each in read["blocks"]] == ["failed", "skipped"]


def test_sending_it_all_again_changes_nothing(server):
    for _ in range(2):
        server.client.post(
            "/v1/records", content=ndjson(told(SECRET)), headers={"Content-Type": "application/x-ndjson"}
        )
        before = everything(server)
        server.client.post(
            "/v1/records",
            content=ndjson(reversed(told(SECRET))),
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert everything(server) == before


def test_names_and_policies_decide_what_stays(server):
    server.seen(
        transaction(1, attributes={"customer": "C-9", "login": {"user_password": {"a": 1}}}),
        block(
            1, 1, details={"payload": {"a": 1}, "kept": f"{MAIL}", "only": 1, "Authorization": "x", "n": 7}
        ),
    )

    read = whole(server, "4711")
    assert read["attributes"]["customer"].startswith("hmac:")
    assert read["attributes"]["login"] == {"user_password": "[redacted]"}
    # The record of a block does not say its flow: the rules of every flow apply.
    (one,) = read["blocks"]
    assert one["details"] == {
        "payload": None,
        "kept": MAIL,
        "only": "[redacted]",
        "Authorization": "[redacted]",
        "n": 7,
    }


def test_what_was_taken_out_is_counted_by_why(server):
    receipt = server.post(
        transaction(1, attributes={"customer": "C-9", "password": "x"}), block(1, 1, details={"note": MAIL})
    ).json()

    assert receipt["redacted"] == 3
    metrics = server.get("/metrics").text
    for why in ("name", "policy", "value"):
        assert f'flowtrail_values_redacted_total{{code="{why}"}} 1.0' in metrics
    assert "redacted" not in server.post(transaction(2)).json()


def test_every_protocol_is_under_the_rules(server):
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/shop",
        "type": "order.mapped",
        "subject": MAIL,
        "time": "2026-11-23T10:00:00Z",
        "data": {"password": SECRET, "note": SECRET},
    }
    run = {
        "eventType": "FAIL",
        "eventTime": "2026-11-23T10:00:00Z",
        "run": {
            "runId": "01967000-8000-7000-8000-000000000001",
            "facets": {"errorMessage": {"message": f"ValueError: {SECRET}", "programmingLanguage": "python"}},
        },
        "job": {"namespace": "n", "name": "j", "facets": {"sql": {"query": f"SELECT '{SECRET}'"}}},
    }
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "map",
        "startTimeUnixNano": "1795428000000000000",
        "endTimeUnixNano": "1795428001000000000",
        "attributes": [{"key": "note", "value": {"stringValue": SECRET}}],
    }
    json_type = {"Content-Type": "application/json"}
    for path, body in (
        ("/v1/events", event),
        ("/api/v1/lineage", run),
        ("/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}),
    ):
        answer = server.client.post(path, content=json.dumps(body), headers=json_type)
        assert answer.status_code == 200, answer.text

    assert len(items(server)) == 3
    for text in (SECRET, MAIL):
        assert text not in answered(server)
        assert text.encode() not in written(server)


def test_without_rules_nothing_is_looked_at(tmp_path):
    with served(f"sqlite:{tmp_path}") as plain:
        plain.seen(*told(SECRET)[:6])

        assert plain.services.intake._redaction is None
        assert whole(plain, SECRET)["object_id"] == SECRET


def test_rules_come_from_a_file_or_as_text(tmp_path):
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(RULES))

    for given in (str(file), json.dumps(RULES)):
        environ = {"FLOWTRAIL_REDACTION": given, "FLOWTRAIL_REDACTION_KEY": KEY}
        assert read_settings(environ).rules().is_named("password")


@pytest.mark.parametrize(
    ("given", "key", "said"),
    [
        (json.dumps(RULES), None, "FLOWTRAIL_REDACTION_KEY"),
        (json.dumps(RULES), "short", "FLOWTRAIL_REDACTION_KEY"),
        ("{", KEY, "FLOWTRAIL_REDACTION: the rules cannot be read"),
        ("no-such-file.json", KEY, "a file of rules in JSON"),
        ('{"values": ["("]}', KEY, "FLOWTRAIL_REDACTION (values[0])"),
        (
            '{"values": ["card", "phone"]}',
            KEY,
            "(values[1]): there is no pattern of this name; received 'phone'",
        ),
        ('{"values": ["(a)\\\\1"]}', KEY, "needs backtracking"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused_with_their_place_and_never_with_the_key(given, key, said):
    environ = {"FLOWTRAIL_REDACTION": given} | ({} if key is None else {"FLOWTRAIL_REDACTION_KEY": key})

    with pytest.raises(Refusal) as refused:
        read_settings(environ)

    assert said in refused.value.message
    assert refused.value.code == "invalid_setting"
    assert "short" not in f"{refused.value.message} {refused.value.received}"
