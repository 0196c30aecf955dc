"""Which folding made the views."""

from typing import Final

PROJECTION_VERSION: Final = 3
"""Raised by every change of what is derived from records: headers, terms, cells or producer sessions. Views of another
version are rebuilt beside the old ones; differences are never written onto them."""
