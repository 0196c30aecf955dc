"""The mongod that tests get is a real one, takes transactions, and is gone when its owner is."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from pymongo import MongoClient

from tests.support.mongod import OVERRIDE, MongodUnavailableError, database_url, running_mongod

pytestmark = pytest.mark.mongodb


def test_a_database_takes_transactions_and_majority_writes(mongodb_url, mongodb_client):
    with MongoClient(mongodb_url) as client, client.start_session() as session:
        database = client.get_default_database()
        with session.start_transaction():
            database.things.insert_one({"_id": 1}, session=session)

    assert mongodb_client[database.name].things.count_documents({}) == 1


@pytest.mark.parametrize("_run", [1, 2])
def test_a_database_is_new_for_each_test(mongodb_url, _run):
    with MongoClient(mongodb_url) as client:
        things = client.get_default_database().things
        assert things.count_documents({}) == 0
        things.insert_one({})


def test_options_of_the_server_stay_in_the_url_of_a_database():
    assert (
        database_url("mongodb://a:1,b:2/?replicaSet=x&tls=true", "d")
        == "mongodb://a:1,b:2/d?replicaSet=x&tls=true"
    )


def test_an_unreachable_mongod_is_an_error(monkeypatch):
    monkeypatch.setenv(OVERRIDE, "mongodb://127.0.0.1:1/")
    monkeypatch.setattr("tests.support.mongod.START_TIMEOUT_S", 0)

    with pytest.raises(MongodUnavailableError, match=OVERRIDE), running_mongod():
        pass


def test_what_it_said_before_it_ended_is_told(monkeypatch, tmp_path):
    broken = tmp_path / "mongod"
    broken.write_text("#!/bin/sh\necho 'libnothing.so: cannot open' >&2\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.delenv(OVERRIDE, raising=False)
    monkeypatch.setattr("tests.support.mongod.find_binary", lambda: broken)
    monkeypatch.setattr("tests.support.mongod.ATTEMPTS", 1)

    with pytest.raises(MongodUnavailableError, match="libnothing"), running_mongod():
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere mongod comes with what it loads")
def test_it_starts_where_the_machine_has_no_libcurl(monkeypatch):
    def lacking(name):
        raise OSError(name)

    monkeypatch.delenv(OVERRIDE, raising=False)
    monkeypatch.setattr("tests.support.mongod.ctypes.CDLL", lacking)
    others = psutil.Process().children()

    with running_mongod() as url, MongoClient(url) as client:
        (mongod,) = set(psutil.Process().children()) - set(others)
        assert "pycurl.libs" in mongod.environ()["LD_LIBRARY_PATH"]
        assert client.admin.command("ping")["ok"] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_mongod_dies_with_its_owner_even_when_that_is_killed(tmp_path):
    code = (
        "from tests.support.mongod import *\nwith running_mongod(): print('up', flush=True); time.sleep(60)"
    )
    environment = {name: value for name, value in os.environ.items() if name != OVERRIDE}
    environment["TMPDIR"] = str(tmp_path)  # nobody is left to remove its data
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)
    assert owner.stdout.readline() == b"up\n"
    (mongod,) = psutil.Process(owner.pid).children()

    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()

    deadline = time.monotonic() + 10
    while mongod.is_running() and mongod.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not mongod.is_running() or mongod.status() == psutil.STATUS_ZOMBIE
