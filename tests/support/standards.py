"""The rules that the standards' own schemas have for a document, written down here from the standards' texts.

OCEL 2.0: the JSON schema of its specification, section 8.2, and that what is named is there. XES: the XML schema of
IEEE 1849, whose attributes must have names of XML for keys. Both schemas belong to others and are not copied.
"""

import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

# --- OCEL 2.0 ----------------------------------------------------------------------------------------------


class DeclaredAttribute(msgspec.Struct):
    name: str
    type: str


class DeclaredType(msgspec.Struct):
    name: str
    attributes: list[DeclaredAttribute]


class Relationship(msgspec.Struct, rename="camel"):
    object_id: str
    qualifier: str


class EventAttribute(msgspec.Struct):
    name: str
    value: str


class ObjectAttribute(msgspec.Struct):
    name: str
    value: str
    time: str


class Event(msgspec.Struct):
    id: str
    type: str
    time: str
    attributes: list[EventAttribute] = []
    relationships: list[Relationship] = []


class Object(msgspec.Struct):
    id: str
    type: str
    attributes: list[ObjectAttribute] = []
    relationships: list[Relationship] = []


class Ocel(msgspec.Struct, rename="camel"):
    event_types: list[DeclaredType]
    object_types: list[DeclaredType]
    events: list[Event]
    objects: list[Object]


KINDS = {"string", "time", "integer", "float", "boolean"}
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def valid_ocel(file: Path) -> Ocel:
    """The document; fails on the first rule that it breaks."""
    log = msgspec.json.decode(file.read_bytes(), type=Ocel, strict=True)
    for types in (log.event_types, log.object_types):
        assert not _repeated(each.name for each in types)
        for each in types:
            assert not _repeated(attribute.name for attribute in each.attributes), each.name
            assert {attribute.type for attribute in each.attributes} <= KINDS, each
    assert not _repeated(each.id for each in log.events)
    assert not _repeated(each.id for each in log.objects)
    ids = {each.id for each in log.objects}
    for elements, types in ((log.events, log.event_types), (log.objects, log.object_types)):
        declared = {each.name: {one.name: one.type for one in each.attributes} for each in types}
        for element in elements:
            for attribute in element.attributes:
                assert _reads(attribute.value, declared[element.type][attribute.name]), attribute
            assert {each.object_id for each in element.relationships} <= ids, element
            assert element.type in declared
    for event in log.events:
        assert DATE_TIME.fullmatch(event.time), event.time
    for each in log.objects:
        assert all(DATE_TIME.fullmatch(attribute.time) for attribute in each.attributes)
    return log


def _repeated(names: Any) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _reads(value: str, kind: str) -> bool:
    if kind == "integer":
        return re.fullmatch(r"-?\d+", value) is not None
    if kind == "float":
        return bool(repr(float(value)))
    if kind == "boolean":
        return value in {"true", "false"}
    return kind != "time" or DATE_TIME.fullmatch(value) is not None


# --- XES ---------------------------------------------------------------------------------------------------

NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:.-]*")
NC_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
ATTRIBUTES = ("string", "date", "int", "float", "boolean", "id", "list")
ORDER = {
    "log": ("extension", "global", "classifier", ATTRIBUTES, "trace", "event"),
    "trace": (ATTRIBUTES, "event"),
}


def valid_xes(file: Path) -> ET.Element:
    """The log; fails on the first rule that it breaks. For files that fit into memory."""
    log = ET.fromstring(file.read_bytes())
    assert log.tag == "log"
    assert re.fullmatch(r"\d+(\.\d+)?", log.attrib["xes.version"])
    assert set(log.attrib) <= {"xes.version", "xes.features"}
    _in_order(log, ORDER["log"])
    declared = set()
    for extension in log.findall("extension"):
        assert set(extension.attrib) == {"name", "prefix", "uri"}
        assert NC_NAME.fullmatch(extension.attrib["name"])
        assert NC_NAME.fullmatch(extension.attrib["prefix"])
        declared.add(extension.attrib["prefix"])
    for each in log.findall("global"):
        assert each.attrib["scope"] in {"trace", "event"}
        _attributes(each, declared)
    promised = {each.attrib["scope"]: {one.attrib["key"] for one in each} for each in log.findall("global")}
    for classifier in log.findall("classifier"):
        assert NC_NAME.fullmatch(classifier.attrib["name"])
        assert set(classifier.attrib["keys"].split()) <= promised["event"]
    _attributes(log, declared)
    for trace in log.findall("trace"):
        _in_order(trace, ORDER["trace"])
        assert promised["trace"] <= _attributes(trace, declared)
        for event in trace.findall("event"):
            _in_order(event, (ATTRIBUTES,))
            assert promised["event"] <= _attributes(event, declared)
    return log


def _in_order(element: ET.Element, order: tuple[Any, ...]) -> None:
    place = 0
    for child in element:
        while child.tag != order[place] and child.tag not in order[place]:
            place += 1
            assert place < len(order), f"{child.tag} in {element.tag}"
    assert not (element.text or "").strip()


def _attributes(element: ET.Element, declared: set[str]) -> set[str]:
    keys = [child.attrib["key"] for child in element if child.tag in ATTRIBUTES]
    assert not _repeated(keys), keys
    for child in element:
        if child.tag not in ATTRIBUTES:
            continue
        key, value = child.attrib["key"], child.attrib["value"]
        assert set(child.attrib) == {"key", "value"}
        assert NAME.fullmatch(key), key
        prefix, colon, _ = key.partition(":")
        if colon and prefix in {"concept", "lifecycle", "org", "time", "identity", "flowtrail"}:
            assert prefix in declared
        if child.tag == "date":
            assert DATE_TIME.fullmatch(value)
            datetime.fromisoformat(value)
        if child.tag == "int":
            assert -(1 << 63) <= int(value) < 1 << 63
        if child.tag == "float":
            float(value)
        if child.tag == "boolean":
            assert value in {"true", "false"}
    return set(keys)
