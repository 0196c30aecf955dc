"""What all shapes of answers share."""

import msgspec


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    """An answer with these members and no others."""
