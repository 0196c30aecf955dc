"""`flowtrail doctor`: what is wrong with a set-up, and how to mend it."""

import importlib.metadata
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import Annotated, Final

import httpx2
from cyclopts import Parameter

from flowtrail.cli import settings
from flowtrail.cli.console import answers, print_json, safe, size
from flowtrail.cli.failures import FAILED, Failure
from flowtrail.cli.replies import json_of
from flowtrail.cli.target import Client
from flowtrail.ledger.report import page_place
from flowtrail.model.clock import monotonic_s, now_us
from flowtrail.model.errors import (
    Damaged,
    FlowtrailError,
    Refusal,
    StoreFull,
    StoreMissing,
    StoreTooNew,
    counted,
)
from flowtrail.projection.version import PROJECTION_VERSION
from flowtrail.storage import open_store
from flowtrail.storage.interface import Store
from flowtrail.storage.urls import shown

_LEAST_FREE: Final = 1 << 30
_SLOW_FSYNC_S: Final = 0.05
_LEAST_NOW_US: Final = 1_704_067_200_000_000
_SIZED: Final = re.compile(r"(.+)[ _]bytes")
"""A fact of a store that is a size: its name says the unit."""
_ANSWER_S: Final = 3.0
"""For each question to a server; longer than it waits for its store before it says that it is not ready."""
_LOOK: Final = "wait for it, or look at its log"
_ELSEWHERE: Final = "choose another with --store, or mend its rights"
_NAME_ONE: Final = "name a server's own address with --url or FLOWTRAIL_URL"
_EXTRAS: Final = {"pymongo": "mongodb", "pyarrow": "parquet"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it is, and when it is not well, what mends it."""

    what: str
    is_well: bool
    told: str
    mend: str = ""


def command(
    *,
    store: Annotated[str | None, Parameter(help="The store to look at.")] = None,
    url: Annotated[str | None, Parameter(help="The server to look at.")] = None,
    json: Annotated[bool, Parameter(help="Findings as JSON.")] = False,
) -> int:
    """Look at interpreter, extras, disk, store and server, and say how to mend what is not well."""
    looked_at = settings.store(store)
    server = list(_server(settings.url(url), wanted=url is not None))
    # Without a store of its own, a machine may still use a server that keeps one elsewhere.
    wanted = store is not None or looked_at != settings.DEFAULT_STORE or len(server) == 1
    findings = [
        *_interpreter(),
        *_environment(),
        *_disk(looked_at),
        *_store(looked_at, wanted=wanted),
        *server,
    ]
    if json:
        print_json(
            [{"what": f.what, "well": f.is_well, "told": f.told, "mend": f.mend or None} for f in findings]
        )
    else:
        for finding in findings:
            answers.print(f"{'ok  ' if finding.is_well else 'BAD '} {finding.what}: {safe(finding.told)}")
            if finding.mend:
                answers.print(f"       {safe(finding.mend)}")
    return 0 if all(finding.is_well for finding in findings) else FAILED


def _interpreter() -> Iterator[Finding]:
    yield Finding("python", sys.version_info >= (3, 11), sys.version.split()[0])
    for module, extra in _EXTRAS.items():
        try:
            yield Finding(module, True, importlib.metadata.version(module))
        except importlib.metadata.PackageNotFoundError:
            mend = f"only when you need it: pip install 'flowtrail[{extra}]'"
            yield Finding(module, True, "not installed", mend)
    if now_us() < _LEAST_NOW_US:
        yield Finding("clock", False, "before 2024: records would be refused or misplaced", "set the clock")
    else:
        yield Finding("clock", True, "plausible")


def _environment() -> Iterator[Finding]:
    for name, meant in settings.misspelled():
        yield Finding("environment", False, f"nobody reads {name}", f"did you mean {meant}?")


def _disk(store: str) -> Iterator[Finding]:
    if not store.startswith("sqlite:"):
        return
    place = Path(store.removeprefix("sqlite:")).absolute()
    try:
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free
    except OSError as error:
        yield Finding("directory", False, f"{place} cannot be reached: {error.strerror}", _ELSEWHERE)
        return
    is_enough = free > _LEAST_FREE
    yield Finding("disk", is_enough, f"{size(free)} free at {place}", "" if is_enough else "free some space")
    if not place.is_dir() or not os.access(place, os.W_OK):
        yield Finding("directory", False, f"{place} cannot be written", _ELSEWHERE)
        return
    try:
        took = fsync_seconds(place)
    except OSError as error:
        yield Finding(
            "fsync", False, f"writing at {place}: {error.strerror}", "free some space, or mend the disk"
        )
        return
    is_quick = took < _SLOW_FSYNC_S
    mend = "" if is_quick else "acknowledgements wait for this: use a faster or a local disk"
    yield Finding("fsync", is_quick, f"{took * 1e3:.2f} ms", mend)


def fsync_seconds(place: Path, rounds: int = 20) -> float:
    """The median time of an fsync after a 4 KiB append at `place`."""
    times = []
    with tempfile.NamedTemporaryFile(dir=place, prefix=".flowtrail-") as file:
        for _ in range(rounds):
            file.write(b"\0" * 4096)
            file.flush()
            began = monotonic_s()
            os.fsync(file.fileno())
            times.append(monotonic_s() - began)
    return sorted(times)[rounds // 2]


def _store(url: str, *, wanted: bool) -> Iterator[Finding]:
    told, named = shown(url), f"--store {shlex.quote(shown(url))}"
    try:
        store = open_store(url, create=False)
    except StoreMissing as error:
        yield Finding("store", not wanted, f"{told}: {error}", f"make one: flowtrail serve {named}")
        return
    except FlowtrailError as error:
        yield Finding("store", False, f"{told}: {error}", _store_mend(error, url))
        return
    try:
        health = store.check()
        for problem in health.problems:
            yield Finding("store", False, problem, f"see what is lost: flowtrail check {named}")
        for warning in health.warnings:
            yield Finding(
                "store", False, warning, "make room: intake stops when nothing is left, reading goes on"
            )
        if not health.problems:
            yield Finding("store", True, ", ".join(starmap(_fact, health.facts.items())))
        yield from _views(store, named)
    except FlowtrailError as error:
        yield Finding("store", False, str(error), _store_mend(error, url))
    finally:
        store.close()


def _fact(name: str, value: str | int) -> str:
    sized = _SIZED.fullmatch(name)
    return f"{name} {value}" if sized is None else f"{sized[1]} {size(int(value))}"


def _store_mend(error: FlowtrailError, url: str) -> str:
    if isinstance(error, StoreTooNew):
        return "install the Flowtrail that wrote it, or a newer one"
    if isinstance(error, StoreFull):
        return "free some space"
    if isinstance(error, Damaged):
        return "of the views: remove views.db*, they are made anew; of the journal: put a copy back"
    if isinstance(error, Refusal):
        return f"name one of: {error.allowed}" if error.allowed else ""
    if url.startswith("sqlite:"):
        return "mend the rights of the directory and of the files in it, or the disk"
    return "is the database running, and its address right?"


def _views(store: Store, named: str) -> Iterator[Finding]:
    version, rebuilding = store.views_version()
    if version != PROJECTION_VERSION:
        told = f"made by projection version {version}, this Flowtrail has {PROJECTION_VERSION}"
        mend = "a rebuild is under way" if rebuilding else f"flowtrail rebuild {named}"
        yield Finding("views", rebuilding, told, mend)
    visible = store.changes.visible()
    behind = {
        head.writer.ordinal: head.sequence - visible.get(head.writer.ordinal, 0)
        for head in store.journal.heads()
    }
    if any(pages < 0 for pages in behind.values()):
        mend = f"flowtrail check {named}, then restore the journal from a copy"
        yield Finding("journal", False, "the journal has lost its tail: views were folded further", mend)
    elif any(behind.values()):
        mend = "a running server folds them; without one: flowtrail serve"
        yield Finding("views", True, f"{counted(sum(behind.values()), 'pages')} behind the journal", mend)
    else:
        yield Finding("views", True, "caught up with the journal")
    if aside := store.transactions.set_aside():
        where = ", ".join(page_place(row.page, row.leaf) for row in aside[:3])
        told = f"{counted(len(aside), 'records')} could not be projected ({where}): {aside[0].reason}"
        mend = f"after an upgrade, try them again: flowtrail rebuild {named}"
        yield Finding("set aside", False, told, mend)


def _server(named: str | None, *, wanted: bool) -> Iterator[Finding]:
    """One finding when nobody answers, more when somebody does."""
    url = settings.DEFAULT_URL if named is None else named
    key = settings.api_key()
    try:
        with Client(url, key).http as client:
            client.timeout = httpx2.Timeout(_ANSWER_S)
            json_of(url, "/healthz", client.get("/healthz"))
            yield Finding("server", True, f"{url} answers 200")
            yield _readiness(client)
            yield _reading(client, key)
    except Failure as failure:
        yield Finding("server", False, str(failure), _NAME_ONE)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        told = f"none answers at {url} ({_why(error)})"
        yield Finding("server", not wanted, told, "start one: flowtrail serve")


def _readiness(client: httpx2.Client) -> Finding:
    try:
        ready = client.get("/readyz")
    except httpx2.HTTPError as error:
        return Finding("readiness", False, f"it does not say whether it is ready ({_why(error)})", _LOOK)
    is_ready = ready.status_code == 200
    told = "ready" if is_ready else f"not ready: {ready.text[:200]}"
    return Finding("readiness", is_ready, told, "" if is_ready else _LOOK)


def _reading(client: httpx2.Client, key: str | None) -> Finding:
    try:
        listed = client.get("/v1/transactions", params={"page_size": 1, "count": "none"})
    except httpx2.HTTPError as error:
        return Finding("reading", False, f"a list is not answered ({_why(error)})", _LOOK)
    if listed.status_code in {401, 403}:
        mend = "set FLOWTRAIL_API_KEY to the key that the server was started with"
        return Finding(
            "key", False, "the server wants another key" if key else "the server wants a key", mend
        )
    if listed.status_code != 200:
        return Finding("reading", False, f"a list is answered with {listed.status_code}: {listed.text[:200]}")
    return Finding("reading", True, "a list can be read")


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
