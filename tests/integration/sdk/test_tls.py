"""TLS as Python has it by default: whom it does not trust gets nothing. The key in the tree opens no real door."""

import ssl
from pathlib import Path

import pytest

from flowtrail.sdk.delivery import open_sink
from flowtrail.sdk.settings import Settings
from tests.support.hostile import hostile
from tests.support.items import announced

TLS = Path(__file__).parents[2] / "support" / "tls"


@pytest.fixture
def secured():
    """A good server that speaks TLS; with `trust`, one that producers believe."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "localhost.pem", TLS / "localhost.key")
    with hostile(["good"], context=context) as server:
        yield server


@pytest.fixture
def trusted(monkeypatch):
    """Python's default context believes the certificate of the tests."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "localhost.pem"))


def sink(url, **settings):
    return open_sink(Settings(**{"url": url, "batch_s": 0.02, "exit_s": 1.0, "timeout_s": 5.0, **settings}))


def test_records_and_key_go_to_whom_python_trusts(secured, trusted):
    delivery = sink(secured.url.replace("http:", "https:"), api_key="top-secret")
    for number in range(2_000):
        delivery.put(announced(number))

    assert delivery.flush(20)
    assert delivery.counts().accepted == 2_000
    assert set(secured.keys) == {"Bearer top-secret"}
    delivery.close()


def test_nothing_goes_to_whom_it_does_not_trust(secured, caplog):
    delivery = sink(secured.url.replace("http:", "https:"), api_key="top-secret")
    delivery.put(announced(1))

    assert not delivery.flush(0.5)
    delivery.close()
    assert (secured.keys, secured.seen) == ([], set())
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


def test_a_certificate_for_another_name_is_none(secured, trusted, caplog):
    delivery = sink(secured.url.replace("http://127.0.0.1", "https://127.0.0.2"))
    delivery.put(announced(1))

    assert not delivery.flush(0.5)
    delivery.close()
    assert secured.seen == set()


@pytest.mark.parametrize("way", ["hang", "talk_first", "reset", "shut"])
def test_whoever_does_not_speak_tls_is_not_waited_for(trusted, way):
    with hostile([way]) as server:
        delivery = sink(server.url.replace("http:", "https:"), timeout_s=0.3)
        delivery.put(announced(1))

        assert not delivery.flush(0.8)
        assert delivery.counts().failures >= 1
        delivery.close()
        assert not delivery._ended.locked()
