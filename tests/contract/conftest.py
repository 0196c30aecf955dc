"""One suite, every back end: a test asks for `store` and gets run on each. A back end is one entry of `BACK_ENDS`."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flowtrail.storage import open_store
from flowtrail.storage.interface import Store
from tests.support.folding import Folder

# Name -> a fresh URL, made only when a test of that back end runs: a server that does not start fails its own tests.
BACK_ENDS: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "memory": lambda _: f"memory:{uuid.uuid4().hex}",
    "sqlite": lambda request: f"sqlite:{request.getfixturevalue('tmp_path') / 'store'}",
    "mongodb": lambda request: request.getfixturevalue("mongodb_url"),
}
MARKS = {"mongodb": [pytest.mark.mongodb]}


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, [])) for name in BACK_ENDS])
def back_end(request: pytest.FixtureRequest) -> str:
    """The back end's name."""
    return request.param


@pytest.fixture
def store_url(request: pytest.FixtureRequest, back_end: str) -> str:
    """The URL of a store that does not exist yet."""
    return BACK_ENDS[back_end](request)


@pytest.fixture
def opened(store_url: str) -> Iterator[Callable[..., Store]]:
    """Opens one more handle of the test's store; all are closed afterwards."""
    handles: list[Store] = []

    def another(**options: Any) -> Store:
        handles.append(open_store(store_url, **options))
        return handles[-1]

    yield another
    for handle in handles:
        handle.close()


@pytest.fixture
def store(opened: Callable[..., Store]) -> Store:
    """The handle that writes."""
    return opened()


@pytest.fixture
def reading(store: Store, opened: Callable[..., Store]) -> Store:
    """A second handle of the same store, to read back what `store` wrote: no cache may answer for the database."""
    return opened(create=False)


@pytest.fixture
def folder(store: Store) -> Folder:
    """A projector on `store`, under a lease."""
    return Folder(store.view_writer())
