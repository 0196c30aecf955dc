"""Everything that readers can see of a store's views, comparable between stores of any kind."""

from typing import Any

from msgspec.structs import replace

from flowtrail.projection.producers import encode_session
from flowtrail.projection.state import State
from flowtrail.storage.interface import Store
from flowtrail.storage.memory.store import MemoryStore
from tests.support.journaling import Journaling, project
from tests.support.stories import Json, canonical


def seen(store: Store, tenant: str = "default") -> dict[str, Any]:
    """States, headers, terms, cells, links, definitions and producer sessions, without what depends on pages and
    writers."""
    states = list(store.transactions.iter_states(tenant))
    return {
        "states": {each.id: State.load(each.facts, each.pieces or []).encode() for each in states},
        "headers": {each.id: each.header for each in states},
        "terms": list(store.transactions.iter_terms(tenant)),
        "cells": {key: cell for key, cell in store.cells.iter_cells() if key.tenant == tenant},
        "links": sorted(link for link in store.transactions.iter_links() if link.tenant == tenant),
        "definitions": store.transactions.definitions(tenant, "flow"),
        "producers": {
            each.producer: (encode_session(replace(each.session, first_at=0, last_at=0)), each.chunks)
            for each in store.producers.iter_sessions()
            if each.tenant == tenant
        },
    }


def expected(records: list[Json]) -> dict[str, Any]:
    """What one undisturbed projector makes of these records."""
    store = MemoryStore()
    store.open()
    writer = Journaling(store)
    told = canonical(records)
    for first in range(0, len(told), 500):
        writer.append(told[first : first + 500])
    project(store)
    return seen(store)


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Where two views differ, in a few words: a whole dump helps nobody."""
    told = []
    for name, value in wanted.items():
        if found[name] == value:
            continue
        if isinstance(value, dict):
            keys = [key for key in {*value, *found[name]} if value.get(key) != found[name].get(key)]
        else:
            keys = {*map(repr, value)} ^ {*map(repr, found[name])}
        told.append(f"{name}: {len(keys)} differ, such as {sorted(map(str, keys))[:3]}")
    return told
