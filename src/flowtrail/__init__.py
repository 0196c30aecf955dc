"""Flowtrail records the way of every business object through an integration.

This module is what a host application imports, so it loads neither the server nor a database driver.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
