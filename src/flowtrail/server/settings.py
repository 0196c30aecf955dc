"""What can be set, in one table; and the server's door to the environment.

The table is what the command line offers, what the environment is read by, and what the documentation prints.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from flowtrail.intake.foreign.otlp_settings import read_attributes, read_names
from flowtrail.model.addresses import is_loopback
from flowtrail.model.errors import Refusal, shorten
from flowtrail.model.redaction import Redaction, read_rules
from flowtrail.model.settings import Setting, number, one_of, read_table, seconds
from flowtrail.storage import DEFAULT_STORE

DEFAULT_PORT: Final = 8765
STORE_VARIABLE: Final = "FLOWTRAIL_STORE"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server runs. Made by `read_settings`, or directly in tests."""

    store: str = DEFAULT_STORE
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    api_key: str | None = None
    intake_workers: int = 0
    read_threads: int = 8
    read_timeout_s: float = 30.0
    after_timeout_s: float = 10.0
    drain_s: float = 10.0
    body_memory_mib: int = 256
    live_connections: int = 500
    multi_object_flows: str | None = None
    otlp_objects: str | None = None
    otlp_keys: str | None = None
    redaction: str | None = None
    redaction_key: str | None = None
    log_level: str = "warning"

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    def rules(self) -> Redaction | None:
        """What must not be kept. Raises: Refusal, naming the rule."""
        if self.redaction is None:
            return None
        return read_rules(self.redaction, (self.redaction_key or "").encode())


def _text(text: str) -> str:
    return text


def _checked(read: Callable[[str], Any]) -> Callable[[str], str]:
    """Text that somebody else reads when it is needed, and that can be read."""

    def check(text: str) -> str:
        read(text)
        return text

    return check


def _content(text: str) -> str:
    """A file's text, or the text itself where it is JSON."""
    if text.startswith("{"):
        return text
    try:
        return Path(text).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(text) from error


LOG_LEVELS: Final = ("critical", "error", "warning", "info", "debug")

SETTINGS: Final = (
    Setting(
        "store",
        STORE_VARIABLE,
        "Where journal and views live.",
        _text,
        "`sqlite:DIRECTORY`, `mongodb://…/DATABASE`, `memory:`",
    ),
    Setting(
        "host",
        "FLOWTRAIL_HOST",
        "The address to listen on. Anything but loopback needs a key.",
        _text,
        "an address or a host name",
    ),
    Setting("port", "FLOWTRAIL_PORT", "The port; 0 takes a free one.", number(0, 65_535), "0 to 65535"),
    Setting(
        "api_key",
        "FLOWTRAIL_API_KEY",
        "What requests must carry as `Authorization: Bearer …`. Not a flag: other users of the machine can read flags.",
        _text,
        "any text without spaces, at least 8 characters",
        secret=True,
    ),
    Setting(
        "intake_workers",
        "FLOWTRAIL_INTAKE_WORKERS",
        "Processes beside the first that answer requests too; each has a writer of its own in the journal.",
        number(0, 64),
        "0 to 64",
    ),
    Setting(
        "read_threads",
        "FLOWTRAIL_READ_THREADS",
        "Reads that run at once; as many again, times eight, wait; further ones get 503.",
        number(1, 256),
        "1 to 256",
    ),
    Setting(
        "read_timeout_s",
        "FLOWTRAIL_READ_TIMEOUT_S",
        "How long a read may take before it is answered with 504.",
        seconds(0.05, 3_600),
        "0.05 to 3600 seconds",
    ),
    Setting(
        "after_timeout_s",
        "FLOWTRAIL_AFTER_TIMEOUT_S",
        "How long `Flowtrail-After` waits before it is answered with 504.",
        seconds(0, 600),
        "0 to 600 seconds",
    ),
    Setting(
        "drain_s",
        "FLOWTRAIL_DRAIN_S",
        "How long a stop waits for requests, and then for views to catch up with the journal.",
        seconds(0, 3_600),
        "0 to 3600 seconds",
    ),
    Setting(
        "body_memory_mib",
        "FLOWTRAIL_BODY_MEMORY_MIB",
        "Bodies of requests held in memory at once; further ones get 503.",
        number(32, 65_536),
        "32 to 65536 MiB",
    ),
    Setting(
        "live_connections",
        "FLOWTRAIL_LIVE_CONNECTIONS",
        "Live feeds open at once; further ones get 503.",
        number(0, 100_000),
        "0 to 100000",
    ),
    Setting(
        "multi_object_flows",
        "FLOWTRAIL_MULTI_OBJECT_FLOWS",
        "Flows in which one trace carries many objects, each span naming its own.",
        _checked(read_names),
        "names of flows between commas",
    ),
    Setting(
        "otlp_objects",
        "FLOWTRAIL_OTLP_OBJECTS",
        "Attributes of spans that hold the id of an object, by its type.",
        _checked(read_attributes),
        "`type=attribute` between commas",
    ),
    Setting(
        "otlp_keys",
        "FLOWTRAIL_OTLP_KEYS",
        "Attributes of spans that become search keys, by the key's name.",
        _checked(read_attributes),
        "`key=attribute` between commas",
    ),
    Setting(
        "redaction",
        "FLOWTRAIL_REDACTION",
        "What is taken out of records before they are written, see [the guide](guides/redaction.md).",
        _content,
        "a file of rules in JSON, or the rules",
    ),
    Setting(
        "redaction_key",
        "FLOWTRAIL_REDACTION_KEY",
        "The secret of the hashes that stand for what was taken out; needed with rules.",
        _text,
        "at least 16 characters",
        secret=True,
    ),
    Setting(
        "log_level",
        "FLOWTRAIL_LOG_LEVEL",
        "What goes to standard error.",
        one_of(*LOG_LEVELS),
        ", ".join(f"`{level}`" for level in LOG_LEVELS),
    ),
)

_SHORTEST_KEY: Final = 8


def read_settings(environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Settings from what was given, else the environment, else the defaults; a given None counts as not given.

    Raises: Refusal (a value that cannot be meant, or a server beyond loopback without a key).
    """
    environ = os.environ if environ is None else environ
    values = read_table(SETTINGS, environ, given)
    if given:
        raise TypeError(f"no such settings: {', '.join(given)}")
    settings = Settings(**values)
    check_reach(settings)
    _check_redaction(settings)
    return settings


def inherited_redaction(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the environment says must not be kept; its other settings are a server's own. Raises: Refusal."""
    table = [setting for setting in SETTINGS if setting.field in {"redaction", "redaction_key"}]
    found = read_table(table, os.environ if environ is None else environ, {})
    _check_redaction(Settings(**found))
    return found


def child_environment(store_url: str) -> dict[str, str]:
    """The environment of a process of ours: other users can read command lines, and a store's URL may hold a
    password."""
    return {**os.environ, STORE_VARIABLE: store_url}


def inherited_store() -> str:
    """The store that whoever started this process works on."""
    return os.environ[STORE_VARIABLE]


def check_reach(settings: Settings) -> None:
    """Refuse to be reachable from elsewhere without a key. Raises: Refusal."""
    key = settings.api_key
    if key is not None and (
        len(key) < _SHORTEST_KEY or not key.isascii() or not key.isprintable() or " " in key
    ):
        raise Refusal(
            "invalid_setting",
            "the key must be printable ASCII without spaces, at least 8 characters",
            "FLOWTRAIL_API_KEY",
        )
    if key is None and not settings.on_loopback:
        raise Refusal(
            "key_required",
            f"{settings.host} can be reached from other machines: set FLOWTRAIL_API_KEY, or listen on 127.0.0.1",
            "FLOWTRAIL_API_KEY",
            settings.host,
            "a key, or a loopback address",
        )


def _check_redaction(settings: Settings) -> None:
    try:
        settings.rules()
    except Refusal as refusal:
        where = "FLOWTRAIL_REDACTION_KEY" if refusal.field == "key" else "FLOWTRAIL_REDACTION"
        place = "" if refusal.field in {None, "key"} else f" ({refusal.field})"
        received = None if refusal.field == "key" else refusal.received
        came = "" if received is None else f"; received {shorten(str(received))!r}"
        message = f"{where}{place}: {refusal.message}{came}; allowed: {refusal.allowed}"
        raise Refusal("invalid_setting", message, where, received, refusal.allowed) from None


def default_of(field: str) -> Any:
    """The default of a setting."""
    return next(entry.default for entry in fields(Settings) if entry.name == field)
