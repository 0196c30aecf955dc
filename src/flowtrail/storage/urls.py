"""URLs of stores, as they may be shown."""


def shown(url: str) -> str:
    """A store's URL without its password."""
    scheme, separator, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{scheme}://{name}:…@{place}" if separator and at and colon else url
