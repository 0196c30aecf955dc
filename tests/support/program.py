"""The program `flowtrail` as it is started, and the moment at which its story ends."""

import sys

PROGRAM = [sys.executable, "-m", "flowtrail"]
NOW = 1_790_000_000_000_000
"""What `flowtrail.simulator.story` is told as the present."""
