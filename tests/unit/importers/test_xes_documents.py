"""XES: every encoding is read; what is broken, dangerous, foreign or endless is told or passed over."""

import gzip

import pytest

from flowtrail.intake.importers import markup
from tests.support.exchange import read_import
from tests.support.logs import of_kind
from tests.support.xes import event, lives, log, trace


def test_prefixed_names_and_other_encodings_are_read(read_xes):
    text = log(trace("Größe", event("prüfen", "complete", 1)))
    latin = text.replace("UTF-8", "ISO-8859-1")
    prefixed = latin.replace("<", "<x:").replace("<x:/", "</x:").replace("<x:?", "<?")
    files = (
        latin.encode("latin-1"),
        prefixed.encode("latin-1"),
        text.replace("UTF-8", "UTF-16").encode("utf-16"),
    )

    for each in files:
        records, problems, _ = read_xes(each)
        assert problems == []
        assert of_kind(records, "transaction")[0]["object_id"] == "Größe"
        assert of_kind(records, "block")[0]["block"] == "prüfen"


@pytest.mark.parametrize("encoding", ["shift_jis", "gb2312", "klingon"])
def test_an_encoding_that_is_not_read_is_told(read_xes, encoding):
    records, (problem,), _ = read_xes(log(trace("A")).replace("UTF-8", encoding).encode("ascii"))

    assert records == []
    assert "the encoding of the file is not read" in str(problem)


def test_an_event_that_cannot_be_used_is_told_and_the_others_go_on(read_xes):
    broken = '<event><date key="time:timestamp" value="2026-01-01T00:00:00Z"/></event>'
    undated = '<event><string key="concept:name" value="x"/></event>'
    records, problems, _ = read_xes(
        log(trace("1", broken, undated, event("a", "complete", 3)), broken, trace("2"))
    )

    assert [(each.row, each.field) for each in problems] == [
        (1, "concept:name"),
        (2, "time:timestamp"),
        (4, "event"),
    ]
    assert lives(records) == [("a", 1, "succeeded", None, None, 3)]


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE log [<!ENTITY a "b">]><log><trace/></log>',
        '<!DOCTYPE log SYSTEM "file:///etc/passwd"><log><trace/></log>',
        '<!DOCTYPE log [<!ENTITY x SYSTEM "file:///etc/passwd">]><log><string key="a" value="&x;"/></log>',
        "<html><body/></html>",
        "",
        "no xml at all",
        "<log><trace></log>",
        '<log><trace><string key="a" value="&undefined;"/></trace></log>',
    ],
)
def test_what_is_dangerous_or_no_xes_is_told(read_xes, text):
    records, (problem,), _ = read_xes(text)

    assert records == []
    assert problem.message


def test_what_stood_before_the_damage_is_read(read_xes):
    whole = log(trace("1", event("a", "complete", 1)), trace("2", event("b", "complete", 1)))

    records, (problem,), _ = read_xes(whole[: whole.index("</log>") - 4])

    assert [each["block"] for each in of_kind(records, "block")] == ["a", "b"]
    assert "not well-formed" in problem.message


def test_an_element_without_end_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(markup, "MAX_ELEMENT_BYTES", 1_000_000)
    file = tmp_path / "log.xes.gz"
    with gzip.open(file, "wb", 1) as into:
        into.write(log(trace("1", event("a", "complete", 1)))[: -len("</log>")].encode())
        into.write(b'<trace><string key="a" value="' + b"x" * 4_000_000)

    records, (problem,), _ = read_import("xes", file)

    assert [each["block"] for each in of_kind(records, "block")] == ["a"]
    assert "longer than" in problem.message


def test_attributes_without_end_do_not_fill_the_memory(read_xes):
    many = "".join(f'<int key="n{number}" value="1"/>' for number in range(10_050))
    nested = f'<list key="l"><values>{many}</values></list>'

    for more in (many, nested):
        records, _, counts = read_xes(
            log(trace("1", event("a", "complete", 1, more), event("b", "complete", 2)))
        )

        assert [each["block"] for each in of_kind(records, "block")] == ["a", "b"]
        assert sum(counts.values()) > 10


def test_elements_that_xes_does_not_have_are_passed_over(read_xes):
    odd = '<string key="who" value="anna"><odd><string key="deep" value="x"/></odd></string><odd/>'

    records, problems, _ = read_xes(log(trace("1", event("a", "complete", 1, odd)), head="<odd><odd/></odd>"))

    assert problems == []
    assert of_kind(records, "block")[0]["details"] == {"who": "anna"}


def test_a_long_element_is_read(read_xes):
    text = "x" * 3_000_000

    records, problems, _ = read_xes(
        log(trace("1", event("a", "complete", 1, f'<string key="long" value="{text}"/>')))
    )

    assert problems == []
    assert of_kind(records, "block")[0]["details"] == {"long": text}
