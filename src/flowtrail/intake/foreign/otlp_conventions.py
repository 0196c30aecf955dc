"""The names that instrumentation gives to facts, old and new: which of them say what.

A table of its own so that it can follow OpenTelemetry's semantic conventions without anybody touching the mapping.
Of several names of one fact, the first that is there counts: our own, then the newest, then older ones.
"""

from typing import Any, Final, NamedTuple

VERSION: Final = "semconv-1.38"
"""The newest conventions looked at; names back to 1.6 (2021) are read."""

PREFIX: Final = "flowtrail."
"""Attributes of this name space are ours: they are read, and not repeated among the details."""

FLOW: Final = "flowtrail.flow"
FLOW_VERSION: Final = "flowtrail.version"
OBJECT_TYPE: Final = "flowtrail.object.type"
OBJECT_ID: Final = "flowtrail.object.id"
BLOCK: Final = "flowtrail.block"
STAGE: Final = "flowtrail.stage"
WORKER: Final = "flowtrail.worker"
ATTEMPT: Final = "flowtrail.attempt"
ROOT: Final = "flowtrail.root"
OUTCOME: Final = "flowtrail.outcome"
REASON: Final = "flowtrail.reason"
PREDICATE: Final = "flowtrail.predicate"
SKIP: Final = "flowtrail.skip"
SKIP_REASON: Final = "flowtrail.skip.reason"
SKIP_EXPECTED: Final = "flowtrail.skip.expected"
SKIP_ACTUAL: Final = "flowtrail.skip.actual"
RELATION: Final = "flowtrail.relation"
KEY: Final = "flowtrail.key."
ATTRIBUTE: Final = "flowtrail.attribute."
USAGE: Final = "flowtrail.usage."

SERVICE: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
WORKERS: Final = ("service.instance.id", "k8s.pod.name", "container.id", "host.name")
"""Of a resource: who does the work."""

DATABASES: Final = ("db.system.name", "db.system")
"""A call to one is work, not egress: a store of one's own is no other system."""


class Named(NamedTuple):
    """A kind of object, or a key, and the attributes that hold its id."""

    name: str
    attributes: tuple[str, ...]


OBJECTS: Final = (
    Named("event", ("cloudevents.event_id",)),
    Named("conversation", ("messaging.message.conversation_id", "messaging.conversation_id")),
    Named("message", ("messaging.message.id", "messaging.message_id")),
)
"""What a root span is about where nobody says what its object is."""

KEYS: Final = (
    Named("event", ("cloudevents.event_id",)),
    Named("conversation", ("messaging.message.conversation_id", "messaging.conversation_id")),
    Named("message", ("messaging.message.id", "messaging.message_id")),
    Named("session", ("session.id",)),
)
"""What a root span's transaction can be searched by, whatever its object is."""

ATTEMPTS_BEFORE: Final = ("http.request.resend_count", "http.resend_count", "http.retry_count")
"""How many attempts there were before this one."""

USAGES: Final = (
    Named("input_tokens", ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")),
    Named("output_tokens", ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")),
    Named("messages", ("messaging.batch.message_count",)),
    Named("message_bytes", ("messaging.message.body.size", "messaging.message.payload_size_bytes")),
    Named("request_bytes", ("http.request.body.size", "http.request_content_length")),
    Named("response_bytes", ("http.response.body.size", "http.response_content_length")),
)
"""What an execution used, where instrumentation counted it."""

BLOCKS: Final = (
    ("messaging.operation.name", "messaging.operation.type", "messaging.operation"),
    ("rpc.method",),
    ("http.route", "url.template", "url.path", "http.target"),
    ("db.query.summary", "db.operation.name", "db.operation"),
    ("code.function.name", "code.function"),
    ("faas.name",),
)
"""What a span without a name did."""

ERROR_TYPES: Final = (
    "error.type",
    "exception.type",
    "rpc.grpc.status_code",
    "http.response.status_code",
    "http.status_code",
)
"""What kind of failure an error status without an exception is."""

EXCEPTION: Final = "exception"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
EXCEPTION_ESCAPED: Final = "exception.escaped"

USEFUL: Final = (
    "error.",
    "http.",
    "url.",
    "messaging.",
    "rpc.",
    "db.",
    "server.",
    "client.",
    "faas.",
    "gen_ai.",
    "code.",
    "user.",
    "enduser.",
    "session.",
    "net.",
    "network.",
    "peer.",
    "cloudevents.",
    "aws.",
    "graphql.",
)
"""Where a span has more attributes than are kept, these go first, in this order; then the others as they came."""

SPECIAL: Final = frozenset(
    {
        *(each for named in (*OBJECTS, *KEYS, *USAGES) for each in named.attributes),
        *ATTEMPTS_BEFORE,
    }
)
"""Names at which the plain reading gives way to the whole mapping."""


def first(attributes: dict[str, Any], names: tuple[str, ...]) -> Any:
    """The value of the first of these names that is there and not empty."""
    for name in names:
        value = attributes.get(name)
        if value not in (None, "", b""):
            return value
    return None


def is_special(name: str) -> bool:
    """Whether an attribute of that name may say more than itself."""
    return name.startswith(PREFIX) or name in SPECIAL
