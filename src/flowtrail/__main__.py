"""`python -m flowtrail` is the command `flowtrail`."""

from flowtrail.cli import main

main()
