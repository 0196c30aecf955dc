"""A transaction that nobody knows: it takes everything a known one does, and records nothing."""

from flowtrail.model.ids import new_transaction_id
from flowtrail.sdk.announcing import UNNAMED
from flowtrail.sdk.identity import Identity


def unknown_identity() -> Identity:
    """An identity of which nothing is recorded."""
    return Identity(
        id=new_transaction_id().hex(),
        flow=UNNAMED,
        object_type=None,
        object_id=None,
        is_known=False,
        is_announced=True,
        ends_here=False,
    )
