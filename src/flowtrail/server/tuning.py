"""What a process that does nothing but serve may change for all of itself."""

import gc
import sys
from typing import Final

GC_YOUNG: Final = 20_000
"""Records are tens of thousands of short-lived objects without cycles: looking for cycles every 700 is for nothing."""
SWITCH_S: Final = 0.001
"""How long decoding may keep the event loop from the interpreter."""


def tune() -> None:
    """After everything was imported and made, before the first request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_YOUNG, 20, 50)
    sys.setswitchinterval(SWITCH_S)
