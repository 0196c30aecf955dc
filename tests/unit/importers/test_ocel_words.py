"""What is said of the words of object-centric logs."""

import pytest

from flowtrail.intake.importers.ocel_words import singular


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ("orders", "order"),
        ("Transport Documents", "Transport Document"),
        ("SKUs", "SKU"),
        ("boxes", "box"),
        ("batches", "batch"),
        ("caches", "cache"),
        ("dishes", "dish"),
        ("addresses", "address"),
        ("processes", "process"),
        ("statuses", "status"),
        ("warehouses", "warehouse"),
        ("clauses", "clause"),
        ("purchases", "purchase"),
        ("invoices", "invoice"),
        ("sizes", "size"),
        ("deliveries", "delivery"),
        ("movies", "movie"),
    ],
)
def test_the_type_of_many_is_named_after_one(many, one):
    assert singular(many) == one


@pytest.mark.parametrize(
    "name",
    [
        "process",
        "business address",
        "status",
        "Bus",
        "analysis",
        "canvas",
        "series",
        "SMS",
        "BOXES",
        "order",
        "is",
    ],
)
def test_a_word_that_is_no_plural_loses_no_letter(name):
    assert singular(name) == name
