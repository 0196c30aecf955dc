"""`flowtrail doctor`: what is wrong with a set-up, and how to mend it."""

import importlib.metadata
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import httpx2
from cyclopts import Parameter

from flowtrail.cli import settings
from flowtrail.cli.console import answers, print_json, safe
from flowtrail.cli.failures import FAILED
from flowtrail.model.clock import monotonic_s, now_us
from flowtrail.model.errors import FlowtrailError
from flowtrail.model.pages import page_number
from flowtrail.storage import open_store
from flowtrail.storage.interface import Store

_LEAST_FREE: Final = 1 << 30
_SLOW_FSYNC_S: Final = 0.05
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
    store: Annotated[str, Parameter(help="The store to look at.")] = settings.DEFAULT_STORE,
    url: Annotated[str | None, Parameter(help="The server to look at.")] = None,
    json: Annotated[bool, Parameter(help="Findings as JSON.", negative="")] = False,
) -> int:
    """Look at interpreter, extras, disk, store and server, and say how to mend what is not well."""
    findings = [
        *_interpreter(),
        *_disk(store),
        *_store(store),
        *_server(url or settings.url() or settings.DEFAULT_URL),
    ]
    if json:
        print_json(
            [{"what": f.what, "well": f.is_well, "told": f.told, "mend": f.mend or None} for f in findings]
        )
    else:
        for finding in findings:
            answers.print(f"{'ok  ' if finding.is_well else 'BAD '} {finding.what}: {safe(finding.told)}")
            if finding.mend:
                answers.print(f"       {finding.mend}")
    return 0 if all(finding.is_well for finding in findings) else FAILED


def _interpreter() -> Iterator[Finding]:
    yield Finding("python", sys.version_info >= (3, 11), sys.version.split()[0], "")
    for module, extra in _EXTRAS.items():
        try:
            yield Finding(module, True, importlib.metadata.version(module))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(
                module, True, "not installed", f"only when you need it: pip install 'flowtrail[{extra}]'"
            )
    skew = now_us() < 1_704_067_200_000_000
    yield Finding(
        "clock",
        not skew,
        "plausible" if not skew else "before 2024",
        "set the machine's clock" if skew else "",
    )


def _disk(store: str) -> Iterator[Finding]:
    if not store.startswith("sqlite:"):
        return
    place = Path(store.removeprefix("sqlite:")).absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    yield Finding(
        "disk",
        free > _LEAST_FREE,
        f"{free >> 20} MiB free at {place}",
        "" if free > _LEAST_FREE else "free some space",
    )
    if not os.access(place, os.W_OK):
        yield Finding(
            "directory",
            False,
            f"{place} cannot be written",
            "choose another with --store, or mend its rights",
        )
        return
    took = fsync_seconds(place)
    yield Finding(
        "fsync",
        took < _SLOW_FSYNC_S,
        f"{took * 1e3:.2f} ms",
        "" if took < _SLOW_FSYNC_S else "acknowledgements wait for this: use a faster or a local disk",
    )


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


def _store(url: str) -> Iterator[Finding]:
    try:
        store = open_store(url, create=False)
    except FlowtrailError as error:
        yield Finding("store", False, f"{url}: {error}", "start one: flowtrail serve --store " + url)
        return
    try:
        health = store.check()
        for problem in health.problems:
            yield Finding("store", False, problem, "see: flowtrail check --store " + url)
        if not health.problems:
            yield Finding("store", True, ", ".join(f"{name} {value}" for name, value in health.facts.items()))
        yield from _views(store, url)
    except FlowtrailError as error:
        yield Finding("store", False, str(error), "")
    finally:
        store.close()


def _views(store: Store, url: str) -> Iterator[Finding]:
    visible = store.changes.visible()
    behind = sum(head.sequence - visible.get(head.writer.ordinal, 0) for head in store.journal.heads())
    yield Finding(
        "views",
        behind >= 0,
        f"{behind} pages behind the journal" if behind else "caught up with the journal",
        "" if behind >= 0 else "the journal lost its tail: flowtrail check --store " + url,
    )
    aside = store.transactions.set_aside()
    if aside:
        where = ", ".join(str(page_number(0, row.page)) for row in aside[:3])
        yield Finding(
            "set aside", False, f"{len(aside)} records could not be projected ({where})", "flowtrail rebuild"
        )


def _server(url: str) -> Iterator[Finding]:
    asked: Callable[[str], httpx2.Response] = lambda path: httpx2.get(url + path, timeout=3)  # noqa: E731
    try:
        health, ready = asked("/healthz"), asked("/readyz")
    except httpx2.HTTPError as error:
        yield Finding(
            "server", True, f"none answers at {url} ({type(error).__name__})", "start one: flowtrail serve"
        )
        return
    yield Finding("server", health.status_code == 200, f"{url} answers {health.status_code}")
    told = "" if ready.status_code == 200 else f"not ready: {ready.text[:200]}"
    yield Finding(
        "readiness",
        ready.status_code == 200,
        told or "ready",
        "wait for it, or look at its log" if told else "",
    )
