"""The embedded store: a directory with a journal and views, each a SQLite database (see ADR 0005)."""
