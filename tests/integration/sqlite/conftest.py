"""A SQLite store in a directory of its own, and handles on it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowtrail.storage.sqlite.store import SqliteStore
from tests.support.folding import Folder


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the store is going to be."""
    return tmp_path / "deep" / "store"


@pytest.fixture
def opened(directory: Path) -> Iterator[Callable[..., SqliteStore]]:
    """Opens one more handle; all are closed afterwards."""
    handles: list[SqliteStore] = []

    def another(*, create: bool = True, **options: Any) -> SqliteStore:
        handle = SqliteStore(directory, **options)
        handle.open(create=create)
        handles.append(handle)
        return handle

    yield another
    for handle in handles:
        handle.close()


@pytest.fixture
def store(opened: Callable[..., SqliteStore]) -> SqliteStore:
    """The handle that writes."""
    return opened()


@pytest.fixture
def reading(store: SqliteStore, opened: Callable[..., SqliteStore]) -> SqliteStore:
    """A second handle, with connections of its own."""
    return opened(create=False)


@pytest.fixture
def folder(store: SqliteStore) -> Folder:
    """A projector on `store`."""
    return Folder(store.view_writer())
