"""The parameters of every route, in one table: what is accepted, what is refused, and what /openapi.json says."""

import re
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from starlette.requests import Request

from flowtrail.model.limits import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, MAX_QUERY_CHARS
from flowtrail.query.export import CONTENTS, FORMATS
from flowtrail.server.problems import Problem

_MOST_FIELDS: Final = 64
BROKEN_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Parameter(NamedTuple):
    """One parameter of a query string."""

    name: str
    meaning: str
    schema: dict[str, Any]
    required: bool = False


_TEXT: Final = {"type": "string"}
_INSTANT: Final = {"type": "string", "format": "date-time"}

Q = Parameter("q", "A query; empty matches all.", {"type": "string", "maxLength": MAX_QUERY_CHARS})
FROM = Parameter("from", "Opened at or after this instant; absent means all time.", _INSTANT)
TO = Parameter("to", "Opened before this instant.", _INSTANT)
PAGE_SIZE = Parameter(
    "page_size",
    "How many a page holds at most.",
    {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": DEFAULT_PAGE_SIZE},
)
PAGE_TOKEN = Parameter("page_token", "`next_page_token` of the page before.", _TEXT)
SORT = Parameter(
    "sort",
    "Newest first by this.",
    {"type": "string", "enum": ["opened", "updated", "ended"], "default": "opened"},
)
COUNT = Parameter(
    "count",
    "`exact` insists on an exact total, `none` skips it.",
    {"type": "string", "enum": ["exact", "none"]},
)
PAGES: Final = (PAGE_SIZE, PAGE_TOKEN)
LIST: Final = (Q, FROM, TO, SORT, PAGE_SIZE, PAGE_TOKEN, COUNT)
OBJECT: Final = (
    Parameter("type", "The object's type.", _TEXT, required=True),
    Parameter("id", "The object's id.", _TEXT, required=True),
    PAGE_SIZE,
    PAGE_TOKEN,
)
STATISTICS: Final = (
    FROM,
    TO,
    Parameter(
        "step",
        "The width of a bucket: whole minutes such as `15m`, `1h`, `1d`, `1w`; `1mo`, `1y`. One bucket without.",
        _TEXT,
    ),
    Parameter(
        "group_by",
        "What groups are made by, separated by commas: `flow`, `version`, `block`, `type`, `status`, `key.NAME`,"
        ' `key."NAME"`, …',
        _TEXT,
    ),
    Q,
    Parameter(
        "source",
        "`scan` computes from rows: exact percentiles, minimum and maximum; `cells` refuses what only rows can answer.",
        {"type": "string", "enum": ["cells", "scan"]},
    ),
)
EVENTS: Final = (
    Parameter("flow", "The flow of events that name none; else their source.", _TEXT),
    Parameter(
        "object_type",
        "The type of the objects of events that name none; else the last but one part of theirs.",
        _TEXT,
    ),
)
EXPORT: Final = (
    Parameter(
        "format",
        "How it is written.",
        {"type": "string", "enum": list(FORMATS), "default": FORMATS[0]},
    ),
    Parameter(
        "content",
        "ndjson: `records` as accepted, or `transactions`; csv: a row a transaction or an execution. The first is the"
        " default.",
        {"type": "string", "enum": list(CONTENTS)},
    ),
    Q,
    FROM,
    TO,
)
FLOW: Final = (FROM, TO)
PRODUCERS: Final = (
    Parameter("producer", "A producer's name, or a session's `name/session`.", _TEXT),
    Parameter(
        "verdict",
        "Only sessions of these verdicts, separated by commas: `gaps`, `lost`, `silent`, `complete`.",
        _TEXT,
    ),
    PAGE_SIZE,
    PAGE_TOKEN,
)
PAGE: Final = (Q,)
LIVE: Final = (Q,)
NOTHING: Final[tuple[Parameter, ...]] = ()


def is_utf8(raw: bytes) -> bool:
    """Whether bytes are UTF-8."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def read_parameters(request: Request, allowed: tuple[Parameter, ...]) -> dict[str, str]:
    """The parameters of a request. Raises: Problem (400: unknown, repeated, missing, not UTF-8)."""
    pairs = _pairs(request.scope["query_string"])
    names = {parameter.name for parameter in allowed}
    values: dict[str, str] = {}
    for name, value in pairs:
        if name not in names:
            listed = ", ".join(parameter.name for parameter in allowed) or "no parameters"
            raise Problem(
                400,
                "unknown_parameter",
                "there is no such parameter",
                field=name[:100],
                received=value,
                allowed=listed,
            )
        if name in values:
            raise Problem(
                400,
                "repeated_parameter",
                "the parameter stands more than once",
                field=name,
                received=value,
                allowed="once",
            )
        values[name] = value
    for parameter in allowed:
        if parameter.required and not values.get(parameter.name):
            raise Problem(
                400,
                "missing_parameter",
                "the parameter is required",
                field=parameter.name,
                received=values.get(parameter.name),
                allowed="a text that is not empty",
            )
    return values


def described(allowed: tuple[Parameter, ...]) -> list[dict[str, Any]]:
    """The table's rows as OpenAPI describes them."""
    return [
        {
            "name": parameter.name,
            "in": "query",
            "required": parameter.required,
            "description": parameter.meaning,
            "schema": parameter.schema,
        }
        for parameter in allowed
    ]


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    if not raw:
        return []
    parts = raw.split(b"&")
    if len(parts) > _MOST_FIELDS:
        raise Problem(
            400,
            "malformed_query_string",
            "the query string has too many parameters",
            field="query string",
            received=f"{len(parts)} parameters",
            allowed=f"at most {_MOST_FIELDS} parameters",
        )
    for part in parts:
        if BROKEN_PERCENT.search(part) or not is_utf8(unquote_to_bytes(part)):
            raise Problem(
                400,
                "malformed_query_string",
                "the query string is not percent-encoded UTF-8",
                field=unquote(part.partition(b"=")[0].decode(errors="replace"))[:100],
                received=part,
                allowed="percent-encoded UTF-8",
            )
    return parse_qsl(raw.decode(), keep_blank_values=True, errors="strict")
