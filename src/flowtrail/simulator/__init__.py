"""Seeded flows: the same seed gives the same records, for demonstrations, benchmarks and tests."""
