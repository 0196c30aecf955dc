"""Pages as stores see them: bytes that mean nothing to them."""

from flowtrail.model.pages import Page, Writer, page_number


def opaque_page(writer: Writer, sequence: int, body: bytes = b"body") -> Page:
    """A page that differs from every other in each of its parts but the secret."""
    mark = b"%d/%d/" % (writer.ordinal, sequence)
    number = page_number(writer.ordinal, sequence)
    return Page(number, b"header" + mark, b"previous" + mark, b"hash" + mark + body, b"secret", body)
