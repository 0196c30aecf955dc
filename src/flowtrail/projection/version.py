"""Which folding made the views."""

from typing import Final

PROJECTION_VERSION: Final = 1
"""Raised by every change of what is derived from a state: headers, terms or cells. Views of another version are
rebuilt beside the old ones; differences are never written onto them."""
