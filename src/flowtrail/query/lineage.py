"""Where a transaction comes from and what came of it."""

from collections import deque
from collections.abc import Callable
from typing import Final

from flowtrail.model.errors import Refusal
from flowtrail.query.items import Json, transaction_item
from flowtrail.query.parameters import read_id
from flowtrail.storage.interface import LinkRow, Store

MAX_LINKS: Final = 1_000
"""Links told in each direction: a batch may have split into more, and says that it has."""


def get_lineage(store: Store, tenant: str, id: str) -> Json:
    """Direct parents and children with what they are, and all links that lead up from here and down from here.

    `ancestors` and `descendants` walk breadth first through at most `MAX_LINKS` links each; `complete` is false when
    there are more. Raises: Refusal (400; 404 when neither the transaction nor a link to it is known).
    """
    key = read_id(id)
    reader = store.transactions
    up, up_complete = _walk(key, lambda at: reader.parents(tenant, at), lambda link: link.parent)
    down, down_complete = _walk(key, lambda at: reader.children(tenant, at), lambda link: link.child)
    if not up and not down and reader.find(tenant, key) is None:
        raise Refusal("not_found", "there is no transaction with this id", "id", id, status=404)
    return {
        "id": id,
        "parents": [_relative(store, link, link.parent) for link in up if link.child == key],
        "children": [_relative(store, link, link.child) for link in down if link.parent == key],
        "ancestors": [_link(link) for link in up],
        "descendants": [_link(link) for link in down],
        "complete": up_complete and down_complete,
    }


def _walk(
    start: bytes, links_of: Callable[[bytes], list[LinkRow]], next_of: Callable[[LinkRow], bytes]
) -> tuple[list[LinkRow], bool]:
    """Every link reached in one direction, nearest first, and whether these are all. Links may form circles."""
    found: list[LinkRow] = []
    seen = {start}
    waiting = deque([start])
    while waiting:
        for link in links_of(waiting.popleft()):
            if len(found) == MAX_LINKS:
                return found, False
            found.append(link)
            following = next_of(link)
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return found, True


def _relative(store: Store, link: LinkRow, key: bytes) -> Json:
    """One end of a link; a transaction that nobody spoke of yet has no more than its id."""
    stored = store.transactions.find(link.tenant, key)
    return {
        "relation": link.relation,
        "id": key.hex(),
        "transaction": None if stored is None else transaction_item(stored),
    }


def _link(link: LinkRow) -> Json:
    return {"parent": link.parent.hex(), "child": link.child.hex(), "relation": link.relation}
