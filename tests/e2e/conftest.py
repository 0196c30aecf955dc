"""A server that was told a story, and commands that reach nothing else."""

from types import SimpleNamespace

import pytest

from flowtrail.cli import settings
from flowtrail.cli.commands import run
from flowtrail.cli.target import Client
from flowtrail.server.run import serving
from flowtrail.simulator.story import story
from tests.support.program import NOW
from tests.support.served import ndjson
from tests.support.server import free_port


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A server that knows the story of order 4711, and its store."""
    store = f"sqlite:{tmp_path_factory.mktemp('cli')}/store"
    with serving(store, writing=True) as url:
        client = Client(url, None)
        client.wait_visible(client.records(ndjson(story(NOW)))["token"])
        yield SimpleNamespace(url=url, store=store, client=client)


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """Neither a server of this machine nor a store in this directory answers by accident."""
    monkeypatch.setattr(settings, "DEFAULT_URL", f"http://127.0.0.1:{free_port()}")
    for name in ("FLOWTRAIL_URL", "FLOWTRAIL_STORE", "FLOWTRAIL_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def flowtrail(alone, capsys):
    """Runs a command in this process: its exit code and what it printed."""

    def call(*words: str) -> SimpleNamespace:
        capsys.readouterr()
        code = run(words)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return call
