"""A MongoDB store in a database of its own, and handles on it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from flowtrail.storage.mongodb.schema import Views
from flowtrail.storage.mongodb.store import MongoStore
from tests.support.folding import Folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/mongodb/" in str(item.path):
            item.add_marker(pytest.mark.mongodb)


@pytest.fixture
def opened(mongodb_url: str) -> Iterator[Callable[..., MongoStore]]:
    """Opens one more handle, as another server would; all are closed afterwards."""
    handles: list[MongoStore] = []

    def another(*, create: bool = True, **options: Any) -> MongoStore:
        handle = MongoStore(mongodb_url, **options)
        handles.append(handle)
        handle.open(create=create)
        return handle

    yield another
    for handle in handles:
        handle.close()


@pytest.fixture
def store(opened: Callable[..., MongoStore]) -> MongoStore:
    """The handle that writes."""
    return opened()


@pytest.fixture
def reading(store: MongoStore, opened: Callable[..., MongoStore]) -> MongoStore:
    """A second handle, with connections of its own."""
    return opened(create=False)


@pytest.fixture
def folder(store: MongoStore) -> Folder:
    """A projector on `store`."""
    return Folder(store.view_writer())


@pytest.fixture
def database(mongodb_url: str, mongodb_client: MongoClient[dict[str, Any]]) -> Database[dict[str, Any]]:
    """What is really there."""
    return mongodb_client[mongodb_url.rpartition("/")[2].partition("?")[0]]


@pytest.fixture
def views(store: MongoStore, database: Database[dict[str, Any]]) -> Views:
    """The collections that readers see."""
    return Views(database, database["meta"].find_one({"_id": "views"})["current"])
