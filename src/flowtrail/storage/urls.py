"""URLs of stores, as they may be shown."""

import re
from typing import Final

_SECRET: Final = re.compile(r"([?&]\w*(?:password|mechanismproperties)=)[^&]*", re.IGNORECASE)
"""Options that hold secrets: of a key's file, of a proxy, and the session tokens of clouds."""


def shown(url: str) -> str:
    """A store's URL without its passwords."""
    scheme, separator, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    told = f"{scheme}://{name}:…@{place}" if separator and at and colon else url
    return _SECRET.sub(r"\1…", told) if separator else told
