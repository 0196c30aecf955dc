"""Records as producers send them: drawn as values, written as JSON in every way it can be written, and damaged."""

import json
from datetime import UTC, datetime, timedelta, timezone
from random import Random

from hypothesis import strategies as st

from flowtrail.model.instants import format_instant
from flowtrail.model.limits import NEWEST_INSTANT_US, OLDEST_INSTANT_US

KEY = "0192e4a0b1c27d3e8f90a1b2c3d4e5f6"
OTHER = "0192e4a0b1c27d3e8f90a1b2c3d4e5f7"
EXECUTION = "00f067aa0ba902b7"
AT = "2026-11-23T10:00:00.000120Z"
AT_US = 1_795_428_000_000_120

TRANSACTION = {
    "kind": "transaction",
    "id": KEY,
    "flow": "shop-to-erp",
    "object_type": "order",
    "object_id": "4711",
    "created_at": AT,
}
BLOCK = {
    "kind": "block",
    "transaction": KEY,
    "id": EXECUTION,
    "block": "map",
    "status": "succeeded",
    "ended_at": AT,
}
END = {"kind": "end", "transaction": KEY, "outcome": "delivered", "ended_at": AT}
LINK = {"kind": "link", "parent": KEY, "child": OTHER, "relation": "split"}
FLOW = {"kind": "flow", "at": AT, "flow": "shop-to-erp", "version": "3"}
REPORT = {
    "kind": "report",
    "at": AT,
    "producer": "shop-1/7f3a",
    "seq": 9,
    "produced": 9,
    "sent": 8,
    "dropped": {"full": 1},
}
SMALLEST = {
    "transaction": TRANSACTION,
    "block": BLOCK,
    "end": END,
    "link": LINK,
    "flow": FLOW,
    "report": REPORT,
}


def line(record) -> bytes:
    return json.dumps(record).encode()


def _hex(size: int):
    return st.binary(min_size=size, max_size=size).filter(any).map(bytes.hex)


def _spelled(us: int, form: int) -> str | int:
    """One of the ways to say an instant; some say it less exactly."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    far = timezone(timedelta(hours=(form * 7) % 27 - 12, minutes=(form * 15) % 60))
    return (
        format_instant(us),
        us,
        moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
        moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        moment.isoformat(timespec="microseconds"),
        moment.isoformat().replace("T", " "),
        moment.astimezone(far).isoformat(),
        moment.astimezone(far).isoformat(timespec="milliseconds"),
        moment.isoformat(timespec="microseconds").replace("+00:00", "789z"),
    )[form]


# A day from either end, so that no offset leads out of the range.
_day = 86_400_000_000
instants = st.builds(
    _spelled, st.integers(OLDEST_INSTANT_US + _day, NEWEST_INSTANT_US - _day), st.integers(0, 8)
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
names = texts | st.sampled_from(["sku", "a:b", 'say "x":', "naïve", ": ", "back\\", '\\":'])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
maps = st.dictionaries(names, values, max_size=4)
attempts = st.integers(1, 1_000_000)

_stamps = {
    "at": instants,
    "producer": st.sampled_from(["shop-1/7f3a", "a/b/c"]),
    "seq": st.integers(1, (1 << 63) - 1),
}


def _kind(kind: str, required, optional):
    optional = {name: each for name, each in {**_stamps, **optional}.items() if name not in required}
    return st.fixed_dictionaries({"kind": st.just(kind), **required}, optional=optional).map(_whole)


def _whole(record):
    """What is needed beside what was drawn."""
    if "seq" in record:
        record.setdefault("producer", "shop-1/7f3a")
    for name in ("parent", "retry_of"):
        if record.get(name) == record.get("id"):
            record.pop(name, None)
    return record


_frames = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "module": names,
            "function": names,
            "file": st.just("") | names,
            "line": st.integers(0, 9_999),
            "in_app": st.booleans(),
        },
    ),
    max_size=2,
)
_exceptions = st.recursive(
    st.fixed_dictionaries(
        {"type": names},
        optional={
            "message": st.just("") | names,
            "module": names,
            "stacktrace": texts,
            "frames": _frames,
            "raised_at": instants,
        },
    ),
    lambda inner: st.builds(lambda outer, cause: {**outer, "cause": cause}, inner, inner),
    max_leaves=3,
)

transactions = _kind(
    "transaction",
    {"id": _hex(16), "flow": names, "object_type": names, "object_id": names, "created_at": instants},
    {
        "version": st.just("") | names,
        "keys": st.dictionaries(names, st.just("") | names, max_size=3),
        "attributes": maps,
        "deadline_at": instants,
        "attempt": attempts,
        "retry_of": _hex(16),
        "trace": names,
    },
) | _kind(
    "transaction",
    {
        "id": _hex(16),
        "flow": names,
        "object_type": names,
        "object_id": names,
        "at": instants,
        "value": st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-9, max_value=9).map(
            str
        ),
        "currency": st.just("EUR"),
    },
    {},
)

_execution = {"transaction": _hex(16), "id": _hex(8), "block": names}
_facts = {
    "stage": st.just("") | names,
    "parent": _hex(8),
    "attempt": attempts,
    "worker": names,
    "usage": st.dictionaries(names, st.floats(0, 1e12) | st.integers(0, 10**12), max_size=3),
    "details": maps,
}
blocks = (
    _kind(
        "block",
        {**_execution, "ended_at": instants},
        {
            **_facts,
            "status": st.sampled_from(["succeeded", "failed"]),
            "queued_at": instants,
            "started_at": instants,
            "exceptions": st.lists(_exceptions, max_size=2),
        },
    )
    | _kind("block", {**_execution, "started_at": instants}, {**_facts, "status": st.just("running")})
    | _kind("block", {**_execution, "queued_at": instants}, {**_facts, "status": st.just("pending")})
    | _kind("block", {**_execution, "at": instants}, _facts)
    | _kind(
        "block",
        {
            **_execution,
            "at": instants,
            "skip": st.fixed_dictionaries(
                {"predicate": names}, optional={"reason": names, "expected": values, "actual": values}
            ),
        },
        {**_facts, "status": st.just("skipped"), "ended_at": instants},
    )
)
ends = _kind(
    "end",
    {
        "transaction": _hex(16),
        "outcome": st.sampled_from(["delivered", "failed", "filtered", "cancelled"]),
        "ended_at": instants,
    },
    {"attempt": attempts, "reason": st.just("") | names, "predicate": names},
)
links = _kind(
    "link",
    {
        "parent": _hex(16),
        "child": st.just(OTHER),
        "relation": st.sampled_from(["split", "merge", "clone", "derive", "retry"]),
    },
    {},
)
flows = _kind(
    "flow",
    {"at": instants, "flow": names, "version": names},
    {
        "stages": st.lists(names, max_size=3, unique=True),
        "blocks": st.lists(
            st.fixed_dictionaries({"name": names}, optional={"stage": names, "workers": st.integers(1, 64)}),
            max_size=3,
            unique_by=lambda block: block["name"],
        ),
        "deadline_s": st.floats(0.001, 1e9) | st.integers(1, 10**9),
    },
)
reports = _kind(
    "report",
    {
        "at": instants,
        "producer": _stamps["producer"],
        "seq": _stamps["seq"],
        "produced": st.integers(0, 99),
        "sent": st.integers(0, 99),
        "dropped": st.dictionaries(names, st.integers(0, 99), max_size=2),
    },
    {},
)
records = st.one_of(blocks, blocks, transactions, ends, links, flows, reports)


def write(record, random: Random) -> bytes:
    """A record as JSON: any order of names, any white space, escapes or not, absent fields as null or not."""
    pairs = list(record.items())
    random.shuffle(pairs)
    space = random.choice(["", " "])
    text = json.dumps(
        dict(pairs),
        ensure_ascii=random.random() < 0.5,
        separators=("," + space, random.choice(["", " "]) + ":" + space),
    )
    name = _NULLABLE.get(record["kind"])
    if name is not None and name not in record and random.random() < 0.2:
        text = f'{{"{name}":{space}null,{text[1:]}'
    return text.encode()


_NULLABLE = {"block": "worker", "transaction": "trace", "end": "reason"}

_STRANGE = [
    b"null", b"true", b"0", b"-1", b"1.5", b"1e999", b"NaN", b"-Infinity", b"9223372036854775808", b"9" * 60, b'""',
    b'"\\u0000"', b'"\\ud800"', b'"x"', b"[]", b"{}", b"[" * 12 + b"]" * 12, b'{"a":1,"a":2}', b"1795428000",
    b'"2026-11-23T10:00:00"', b'"' + b"0" * 16 + b'"', b'"' + b"0" * 32 + b'"', b'"' + b"A" * 16 + b'"',
    b'"' + KEY.upper().encode() + b'"', b'"\xff"', b'"\xed\xa0\x80"', b'"' + b"n" * 1_001 + b'"', b'"succeeded"',
    b'"pending"', b'"skipped"', b'{"predicate":"x"}', b'[{"type":"E"}]', b'"' + AT.encode() + b'"', b"1_0", b"\xef\xbc\x91",
]  # fmt: skip
_NAMES = [
    b'"at"', b'"seq"', b'"status"', b'"ended_at"', b'"started_at"', b'"skip"', b'"exceptions"', b'"kind"', b'"id"',
    b'"parent"', b'"unknown"', b'"details"', b'"usage"', b'"keys"', b'"attributes"', b'"producer"', b'"transaction"',
    b'"block"', b'"value"', b'"attempt"', b'"outcome"', b'"reason"', b'"a\\"" ', b'""',
]  # fmt: skip


def damage(text: bytes, random: Random) -> bytes:
    """A sound record after something was added, replaced, cut out or repeated; sometimes still sound."""
    for _ in range(random.choice([1, 1, 2, 3])):
        how = random.randrange(5)
        at = random.randrange(len(text) + 1)
        name, value = random.choice(_NAMES), random.choice(_STRANGE)
        if how == 0:
            text = b"{" + name + b":" + value + b"," + text[1:]
        elif how == 1:
            text = text[:-1] + b"," + name + b":" + value + b"}"
        elif how == 2:
            text = text[:at] + value + text[at:]
        elif how == 3:
            text = text[:at] + text[at + random.randrange(1, 12) :]
        else:
            text = text[:at] + bytes([random.randrange(256)]) + text[at + 1 :]
    return text.replace(b"\n", b"") or b"x"


@st.composite
def batches(draw, *, damaged: bool = False) -> list[bytes]:
    """Texts of records, each written in several ways; half of them damaged when asked for."""
    random = Random(draw(st.integers(0, (1 << 32) - 1)))
    texts = []
    for record in draw(st.lists(records, min_size=1, max_size=4)):
        texts.append(write(record, random))
        for _ in range(6):
            text = write(record, random)
            texts.append(damage(text, random) if damaged else text)
    random.shuffle(texts)
    return texts
