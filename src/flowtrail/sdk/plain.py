"""Attributes of a struct, set as those of any object with slots."""

import msgspec


def set_plainly(specimen: msgspec.Struct) -> None:
    """Have attributes of the specimen's kind set by `object` itself: at half the price, and a block sets four.

    msgspec looks each time whether the garbage collector has to be told of a reference; for a kind with gc=False
    there is nothing to tell. Setting and deleting share one slot of a type, so both are replaced. An interpreter that
    will not have it is left with msgspec's own.
    """
    kind = type(specimen)
    kind.__setattr__ = object.__setattr__  # type: ignore[method-assign]
    kind.__delattr__ = object.__delattr__  # type: ignore[method-assign]
    name = kind.__struct_fields__[0]
    try:
        setattr(specimen, name, getattr(specimen, name))
    except TypeError:
        del kind.__setattr__, kind.__delattr__
