"""Comes first on the path of processes that tests start: arms traps and mutants before Flowtrail runs.

So Flowtrail itself needs no door for tests, and the projector that a server starts is armed like the server.
"""

import importlib
import os

if path := os.environ.get("TEST_TRAP"):
    from tests.support.kill import arm

    arm(path)

if seconds := os.environ.get("TEST_LEASE_S"):
    import flowtrail.intake.projector

    flowtrail.intake.projector.LEASE_S = float(seconds)

for name in os.environ.get("TEST_MUTANT", "").split():
    importlib.import_module(f"tests.mutants.{name}")
