"""`flowtrail export` says how much it wrote; a document of nothing is a whole one, and is said to hold nothing."""

import csv
import json
import xml.etree.ElementTree as ET
from io import StringIO

import pytest

from flowtrail.cli.exported import Exported
from flowtrail.server.run import serving
from tests.support.reading import Told

pytestmark = pytest.mark.usefixtures("alone")

KEYS = [f"{number:032x}" for number in range(1, 8)]
NASTY = 'a "quoted" line\r\nand <trace>\n of {"id":"' + "0" * 32 + '", and "more\n'


def stories():
    for number, key in enumerate(KEYS):
        yield {
            "kind": "transaction", "id": key, "flow": "nasty", "object_type": "order", "object_id": f"o {number}",
            "attributes": {"note": NASTY * (number + 1)}, "keys": {"text": NASTY}, "created_at": 1_790_000_000_000_000,
        }  # fmt: skip
        for execution in range(number):
            yield {
                "kind": "block", "transaction": key, "id": f"{execution + 1:016x}", "block": "map",
                "started_at": 1_790_000_000_000_000, "details": {"note": NASTY},
            }  # fmt: skip


COUNTS = {
    ("ndjson", None): ("records", 28),
    ("ndjson", "records"): ("records", 28),
    ("ndjson", "transactions"): ("transactions", 7),
    ("csv", None): ("transactions", 7),
    ("csv", "transactions"): ("transactions", 7),
    ("csv", "executions"): ("executions", 21),
    ("xes", None): ("transactions", 7),
    ("ocel2-json", None): ("transactions", 7),
}


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    store = f"sqlite:{tmp_path_factory.mktemp('exported')}/store"
    with serving(store, writing=True) as url:
        told = Told(url)
        told.say([json.dumps(record).encode() for record in stories()])
        yield url


def words(format, content):
    return ["export", "--format", format, *(["--content", content] if content else [])]


@pytest.mark.parametrize(("format", "content"), COUNTS)
def test_an_export_says_how_much_it_wrote(flowtrail, nasty, tmp_path, format, content):
    what, count = COUNTS[format, content]

    whole = flowtrail(*words(format, content), "--output", "file", "--url", nasty)
    one = flowtrail(*words(format, content), KEYS[2], "--output", "one", "--url", nasty)

    assert (whole.code, whole.out, whole.err) == (0, "", f"{count} {what} exported\n")
    few = {"records": "3 records", "executions": "2 executions", "transactions": "1 transaction"}[what]
    assert one.err == f"{few} exported\n"


@pytest.mark.parametrize(("format", "content"), COUNTS)
@pytest.mark.parametrize("cut", [1, 2, 7, 40, 41, 1_000])
def test_wherever_a_document_is_cut_it_counts_the_same(flowtrail, nasty, tmp_path, format, content, cut):
    assert flowtrail(*words(format, content), "--output", "file", "--url", nasty).code == 0
    document = (tmp_path / "file").read_bytes()
    exported = Exported(format, content)

    for first in range(0, len(document), cut):
        exported.take(document[first : first + cut])

    assert (exported.what, exported.count) == COUNTS[format, content]
    assert exported.size == len(document)


def is_log(document):
    root = ET.fromstring(document)
    return root.tag.endswith("log") and root.find("{*}trace") is None


def is_object_centric(document):
    log = json.loads(document)
    return all(log[name] == [] for name in ("objects", "events", "objectTypes", "eventTypes"))


def is_header(document):
    (header,) = csv.reader(StringIO(document))
    return "flow" in header and "status" in header


EMPTY = {
    "ndjson": lambda document: document == "",
    "csv": is_header,
    "xes": is_log,
    "ocel2-json": is_object_centric,
}
READS = {"ndjson": "records", "xes": "xes", "ocel2-json": "ocel2"}


@pytest.mark.parametrize(("format", "content"), COUNTS)
def test_a_query_that_matches_nothing_gives_a_valid_document_and_says_so(
    flowtrail, nasty, tmp_path, format, content
):
    answered = flowtrail(*words(format, content), "nobody-is-called-so", "--output", "file", "--url", nasty)

    what, _ = COUNTS[format, content]
    assert (answered.code, answered.out) == (0, "")
    assert answered.err == f"0 {what} exported: the query matches no {what}\n"
    assert EMPTY[format]((tmp_path / "file").read_text())
    if format in READS:
        again = flowtrail("import", READS[format], "file", "--json", "--store", "sqlite:./again")
        assert again.code == 0, again.err
        assert json.loads(again.out)["accepted"] == 0


@pytest.mark.parametrize(("format", "content"), COUNTS)
def test_a_store_of_nothing_is_not_said_to_be_a_wrong_query(flowtrail, format, content):
    with serving("memory:", writing=True) as url:
        answered = flowtrail(*words(format, content), "--url", url)

    assert answered.code == 0
    what, _ = COUNTS[format, content]
    assert answered.err == f"0 {what} exported: there are no {what} yet\n"
    assert EMPTY[format](answered.out)
