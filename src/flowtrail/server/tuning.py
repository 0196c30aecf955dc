"""What a process that does nothing but serve may change for all of itself."""

import gc
from typing import Final

YOUNG: Final = 20_000
"""Records are tens of thousands of short-lived objects without cycles: looking for cycles every 700 is for nothing."""


def tune() -> None:
    """After everything was imported and made, before the first request.

    A full collection takes 40 ms over what imports leave behind, and everybody waits for it; frozen, it takes none.
    A shorter switch interval was tried, and made nothing faster.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
