"""Every way of one object."""

from flowtrail.model.conditions import HasTerm, Moment
from flowtrail.model.errors import Refusal
from flowtrail.projection.terms import object_term
from flowtrail.query.items import Json
from flowtrail.query.listing import list_page, read_position
from flowtrail.query.parameters import read_page_size
from flowtrail.storage.interface import Selection, Store


def list_object(
    store: Store,
    tenant: str,
    type: str,
    id: str,
    page_size: str | None = None,
    page_token: str | None = None,
    now: int = 0,
) -> Json:
    """A page of an object's transactions, newest first; an unknown object has none. Raises: Refusal (400)."""
    for name, value in (("type", type), ("id", id)):
        if not value or "\0" in value:
            raise Refusal(
                "missing_parameter", f"{name} names the object", name, value, "a text without NUL, not empty"
            )
    question = ("objects", tenant, type, id)
    position = read_position(page_token, question)
    after, asked_at = position or (None, now)
    condition = HasTerm(object_term(id, type))
    selection = Selection(tenant, Moment(asked_at), condition, after=after, limit=read_page_size(page_size))
    return {"type": type, "id": id, **list_page(store, selection, question, None)}
