"""The way in: bodies to canonical records, records to durable pages, pages to views."""
