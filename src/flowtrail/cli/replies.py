"""What came back from an address: an answer of ours, a refusal of ours, or the words of a stranger.

A wrong address is the likeliest mistake of all, and whatever listens there answers something: a page, a redirect, JSON
of its own. None of it may be taken for an answer, least of all for a file to keep.
"""

import re
from typing import Any, Final

import httpx2

from flowtrail.cli.failures import FAILED, NOT_FOUND, USAGE, Failure

_PROBLEM: Final = "application/problem+json"
_NO_ROUTE: Final = frozenset({"no_such_route", "method_not_allowed"})
_HOLDS: Final = {
    "/healthz": "alive",
    "/v1/producers": "producers",
    "/v1/records": "accepted",
    "/v1/statistics": "buckets",
    "/v1/transactions": "transactions",
}
"""What an answer to a route holds for certain; everything else is asked only after one of these, or has an id."""
_OF_ONE: Final = "/v1/transactions/"


def json_of(url: str, path: str, answer: httpx2.Response) -> Any:
    """The JSON that a Flowtrail server at `url` answers. Raises: Failure: its refusal, or that it is none."""
    if answer.status_code != httpx2.codes.OK:
        raise problem(url, answer)
    try:
        told = answer.json()
    except ValueError:
        raise stranger(url, answer) from None
    wanted = "id" if path.startswith(_OF_ONE) and path.count("/") == _OF_ONE.count("/") else _HOLDS.get(path)
    if not isinstance(told, dict) or (wanted is not None and wanted not in told):
        raise stranger(url, answer)
    return told


def check_stream(url: str, answer: httpx2.Response, media_type: str | None = None) -> None:
    """See that a stream is ours before any of it is taken: the live feed by its media type, a document by its name.

    Raises: Failure.
    """
    if answer.status_code != httpx2.codes.OK:
        answer.read()
        raise problem(url, answer)
    if media_type is not None:
        ours = _media_type(answer) == media_type
    else:
        ours = 'filename="flowtrail.' in answer.headers.get("Content-Disposition", "")
    if not ours:
        raise stranger(url, answer)


def problem(url: str, answer: httpx2.Response) -> Failure:
    """A server's refusal as a failure of this command."""
    told = _told(answer)
    if told is None:
        return stranger(url, answer)
    if told["code"] in _NO_ROUTE:
        return _no_route(url, answer)
    text = str(told.get("detail") or told.get("title") or answer.status_code)
    field, received, allowed = (str(told.get(name) or "") for name in ("field", "received", "allowed"))
    if field and not _names(text, field):
        text = f"{field}: {text}"
    if received and not _names(text, received):
        text += f"; received {received!r}"
    if allowed and allowed not in text:
        text += f"; allowed: {allowed}"
    return Failure(text, {404: NOT_FOUND, 400: USAGE}.get(answer.status_code, FAILED))


def _names(text: str, word: str) -> bool:
    """Whether the word stands in the text by itself: an `x` in `text` tells nobody what came."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def refused_records(answer: httpx2.Response) -> list[Any]:
    """The records that a server of ours refused, when it accepted none; else empty."""
    told = _told(answer) if answer.status_code == httpx2.codes.BAD_REQUEST else None
    return list(told.get("rejected") or ()) if told else []


def stranger(url: str, answer: httpx2.Response) -> Failure:
    """What listens there is not ours, or stands in front of ours and does not reach it."""
    if answer.has_redirect_location:
        return Failure(f"there is no Flowtrail server at {url}: it sends on to {answer.headers['Location']}")
    what = f"{answer.status_code}, {_media_type(answer) or 'no media type'}"
    if answer.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR:
        told = f"{url} does not answer as a Flowtrail server does ({what}): is one running behind it?"
        return Failure(told)
    return Failure(f"there is no Flowtrail server at {url}: something else answers there ({what})")


def _no_route(url: str, answer: httpx2.Response) -> Failure:
    root = str(answer.request.url.copy_with(path="/", query=None)).rstrip("/")
    if httpx2.URL(url).path.strip("/"):
        return Failure(f"there is no Flowtrail server at {url}, but one at {root}: name that")
    path = answer.request.url.path
    return Failure(f"the Flowtrail server at {url} has no {path}: its version is not the one of this command")


def _told(answer: httpx2.Response) -> dict[str, Any] | None:
    """A problem of ours: every one has a code."""
    if _media_type(answer) != _PROBLEM:
        return None
    try:
        told = answer.json()
    except ValueError:
        return None
    return told if isinstance(told, dict) and isinstance(told.get("code"), str) else None


def _media_type(answer: httpx2.Response) -> str:
    media_type: str = answer.headers.get("Content-Type", "")
    return media_type.partition(";")[0].strip().lower()
