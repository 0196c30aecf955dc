"""A page's hash does not cover the page before it: pages can be cut out."""

from flowtrail.ledger import pages

_page_hash = pages.page_hash


def _unchained(previous, header, root):
    return _page_hash(b"", header, root)


pages.page_hash = _unchained
