"""Flowtrail broken on purpose, one way a module: importing one breaks this process.

Tests run against them (`tests/torture/test_mutants.py`): a suite that does not notice is no proof of anything.
"""
