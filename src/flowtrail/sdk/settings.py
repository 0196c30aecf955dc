"""What a producer can set, in one table; and its door to the environment.

The table is what `flowtrail.init` takes by name, what the environment is read by, and what the documentation prints.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final
from urllib.parse import urlsplit

from flowtrail.model.addresses import is_loopback
from flowtrail.model.settings import Setting, number, one_of, read_table, seconds

DROP_NEWEST: Final = "drop-newest"
DROP_OLDEST: Final = "drop-oldest"

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """How a producer delivers. Made by `read_settings`, or directly in tests."""

    url: str = "http://127.0.0.1:8765"
    api_key: str | None = None
    producer: str | None = None
    overload: str = DROP_NEWEST
    memory_mib: int = 16
    batch_s: float = 0.2
    timeout_s: float = 10.0
    exit_s: float = 2.0
    spill_dir: str | None = None
    spill_mib: int = 256
    spill_sync_s: float = 1.0

    @property
    def on_loopback(self) -> bool:
        """Whether what is sent stays on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")


def _url(text: str) -> str:
    parts = urlsplit(text)
    plain = parts.username is None and not parts.query and not parts.fragment
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain or not text.isprintable():
        raise ValueError(text)
    _ = parts.port  # raises ValueError for one that is none
    if " " in text or not text.isascii():
        raise ValueError(text)
    if parts.path.rstrip("/").endswith("/v1/records"):
        raise ValueError(text)  # the likeliest mistake: everything would be answered with 404
    return text.rstrip("/")


def _key(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(text)
    return text


def _name(text: str) -> str:
    if not text or not text.isprintable() or len(text) > _LONGEST_NAME:
        raise ValueError(text)
    return text


def _directory(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError(text)
    return text


_LONGEST_NAME: Final = 150
"""Leaves room for the session within a producer's 200 characters."""

SETTINGS: Final = (
    Setting(
        "url",
        "FLOWTRAIL_URL",
        "The server. Redirects are not followed, and no proxy is asked.",
        _url,
        "`http://HOST:PORT` or `https://HOST:PORT`; with a path where the server stands below one, without `/v1/records`",
    ),
    Setting(
        "api_key",
        "FLOWTRAIL_API_KEY",
        "Sent to this server alone, as `Authorization: Bearer …`.",
        _key,
        "printable ASCII without spaces",
        secret=True,
    ),
    Setting(
        "producer",
        "FLOWTRAIL_PRODUCER",
        "Who says it: the first part of `producer`; the host's name when nothing is said.",
        _name,
        f"1 to {_LONGEST_NAME} printable characters",
    ),
    Setting(
        "overload",
        "FLOWTRAIL_OVERLOAD",
        "What is given up when memory is full.",
        one_of(DROP_NEWEST, DROP_OLDEST),
        f"`{DROP_NEWEST}`, `{DROP_OLDEST}`; to lose nothing to a disk, set `spill_dir`",
    ),
    Setting(
        "memory_mib",
        "FLOWTRAIL_MEMORY_MIB",
        "What everything that waits or is under way may hold in memory.",
        number(4, 4_096),
        "4 to 4096 MiB",
    ),
    Setting(
        "batch_s",
        "FLOWTRAIL_BATCH_S",
        "How long a record may wait for company before it is sent.",
        seconds(0.001, 60),
        "0.001 to 60 seconds",
    ),
    Setting(
        "timeout_s",
        "FLOWTRAIL_TIMEOUT_S",
        "How long one request may take, from connecting to the last byte of the answer.",
        seconds(0.05, 600),
        "0.05 to 600 seconds",
    ),
    Setting(
        "exit_s",
        "FLOWTRAIL_EXIT_S",
        "By how much the end of the process may be delayed to deliver what waits.",
        seconds(0, 60),
        "0 to 60 seconds",
    ),
    Setting(
        "spill_dir",
        "FLOWTRAIL_SPILL_DIR",
        "A local directory that every record is written to before it is sent; unset: memory alone.",
        _directory,
        "a directory; it is made if need be",
    ),
    Setting(
        "spill_mib",
        "FLOWTRAIL_SPILL_MIB",
        "What the files of all processes in that directory may hold.",
        number(8, 1_048_576),
        "8 to 1048576 MiB",
    ),
    Setting(
        "spill_sync_s",
        "FLOWTRAIL_SPILL_SYNC_S",
        "How often they are made safe against a power cut.",
        seconds(0.05, 3_600),
        "0.05 to 3600 seconds",
    ),
)


def read_settings(environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Settings from what was given, else the environment, else the defaults; a given None counts as not given.

    Raises: Refusal (a value that cannot be meant), TypeError (no such setting).
    """
    environ = os.environ if environ is None else environ
    values = read_table(SETTINGS, environ, given)
    if given:
        known = ", ".join(setting.field for setting in SETTINGS)
        raise TypeError(
            f"init: no such setting: {', '.join(given)}; besides its other arguments it takes {known}"
        )
    return Settings(**values)


def default_of(field: str) -> Any:
    """The default of a setting."""
    return next(entry.default for entry in fields(Settings) if entry.name == field)


def host_name() -> str:
    """What this machine calls itself; "host" where it has no name that can be shown."""
    said = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    name = "".join(each for each in said[:_LONGEST_NAME] if each.isprintable() and each != "/")
    return name.strip() or "host"
