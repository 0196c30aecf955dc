"""Flowtrail records the way of every business object through an integration.

This module is what a host application imports, so it loads neither the server nor a database driver; the producer
itself is loaded when one of its names is used first.

```python
import flowtrail

flowtrail.init(flow="shop-to-erp")

with flowtrail.transaction("order", "4711") as order:
    with order.block("validate", stage="ingress") as block:
        block.detail(lines=3)
```
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowtrail.sdk.api import (
        Block,
        Transaction,
        block,
        carry,
        current_block,
        current_transaction,
        detail,
        flow,
        flush,
        init,
        resume,
        shutdown,
        stats,
        tracked,
        transaction,
    )

__version__ = "0.1.0"

__all__ = [
    "Block",
    "Transaction",
    "__version__",
    "block",
    "carry",
    "current_block",
    "current_transaction",
    "detail",
    "flow",
    "flush",
    "init",
    "resume",
    "shutdown",
    "stats",
    "tracked",
    "transaction",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from flowtrail.sdk import api

    found = globals()[name] = getattr(api, name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
