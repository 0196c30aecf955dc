"""Headers in whatever form a library has them: maps, lists of pairs, objects that can get and set.

dict, and everything like it      names in any case, values texts or bytes, or lists of them; WSGI's HTTP_… too
[(name, value), …]                Kafka: names texts, values bytes; ASGI: both bytes
anything else                     with `get(carrier, name)` or `set(carrier, name, value)` given
"""

from collections.abc import Callable, Iterable, MutableMapping
from itertools import islice
from typing import Any, Final

from flowtrail.sdk.tracecontext import HEADERS

Getter = Callable[[Any, str], Any]
Setter = Callable[[Any, str, str], Any]

_MOST_ENTRIES: Final = 1_000
_MOST_VALUES: Final = 64
_MOST_CHARS: Final = 16_384


def read_headers(carrier: Any, get: Getter | None) -> list[list[str]]:
    """Every value of the three headers, in their order. Raises whatever the carrier raises."""
    found: dict[str, list[str]] = {name: [] for name in HEADERS}
    if get is not None:
        for name in HEADERS:
            _add(found[name], get(carrier, name))
    else:
        for name, value in islice(_pairs(carrier), _MOST_ENTRIES):
            known = _known(name)
            if known is not None:
                _add(found[known], value)
    return list(found.values())


def _pairs(carrier: Any) -> Iterable[tuple[Any, Any]]:
    if carrier is None:
        return ()
    items = getattr(carrier, "items", None)
    if items is not None:
        pairs: Iterable[tuple[Any, Any]] = items()
        return pairs
    if isinstance(carrier, (list, tuple)):
        return [(entry[0], entry[1]) for entry in carrier[:_MOST_ENTRIES] if _is_pair(entry)]
    if hasattr(carrier, "get"):
        return [(name, carrier.get(name)) for name in HEADERS]
    return ()


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, (list, tuple)) and len(entry) == 2


def _known(name: Any) -> str | None:
    text = _text(name)
    if text is None:
        return None
    lowered = text.lower().removeprefix("http_")
    return lowered if lowered in HEADERS else None


def _add(values: list[str], value: Any) -> None:
    each = value if isinstance(value, (list, tuple)) else (value,)
    for one in each[:_MOST_VALUES]:
        text = _text(one)
        if text is not None:
            values.append(text)


def _text(value: Any) -> str | None:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value[:_MOST_CHARS]).decode("latin-1")
    return str.__getitem__(value, slice(0, _MOST_CHARS)) if isinstance(value, str) else None


def write_headers(headers: dict[str, str], carrier: Any, set: Setter | None) -> None:
    """Put the headers there, in place of what stood there under their names. Raises whatever the carrier raises."""
    if set is not None:
        for name, value in headers.items():
            set(carrier, name, value)
    elif isinstance(carrier, list):
        _write_pairs(headers, carrier)
    elif isinstance(carrier, (dict, MutableMapping)):
        for name in [name for name in carrier if _known(name) is not None]:
            del carrier[name]
        for name, value in headers.items():
            carrier[name] = value
    else:
        for name, value in headers.items():
            carrier[name] = value


def _write_pairs(headers: dict[str, str], carrier: list[Any]) -> None:
    bytes_names = any(isinstance(entry[0], bytes) for entry in carrier[:_MOST_ENTRIES] if entry)
    carrier[:] = [entry for entry in carrier if not (entry and _known(entry[0]) is not None)]
    for name, value in headers.items():
        carrier.append((name.encode() if bytes_names else name, value.encode("ascii")))
