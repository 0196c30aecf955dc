"""When a span has failed, and with which exception."""

import pytest

from tests.support.otlp import START, exception
from tests.support.spans import block


def test_an_exception_with_an_error_status_is_a_failure():
    failed = exception(type="KeyError", message="'sku'", stacktrace="Traceback …")
    found = block(status={"code": 2, "message": "KeyError: 'sku'"}, events=[failed])

    assert found.status == "failed"
    (raised,) = found.exceptions
    assert (raised.kind, raised.message, raised.stacktrace) == ("KeyError", "'sku'", "Traceback …")
    assert raised.raised_at == START // 1_000 + 1_000
    assert found.details["otel.status_description"] == "KeyError: 'sku'"
    assert "otel.events" not in found.details


def test_an_exception_that_was_handled_is_told_and_fails_nothing():
    found = block(events=[exception(type="TimeoutError")])

    assert found.status == "succeeded"
    assert [each.kind for each in found.exceptions] == ["TimeoutError"]


def test_an_exception_that_escaped_is_a_failure_without_a_status():
    assert block(events=[exception(type="TimeoutError", escaped=True)]).status == "failed"
    assert (
        block(events=[exception(type="TimeoutError", escaped=True)], status={"code": 1}).status == "succeeded"
    )


@pytest.mark.parametrize(
    ("told", "message", "kind"),
    [
        ({"error.type": "timeout"}, "", "timeout"),
        ({"http.response.status_code": 503}, "", "503"),
        ({"http.status_code": 500}, "gone", "500"),
        ({}, "gone", "error"),
    ],
)
def test_an_error_without_an_exception_is_what_it_says_it_is(told, message, kind):
    found = block(told, status={"code": 2, "message": message})

    (raised,) = found.exceptions
    assert (raised.kind, raised.message) == (kind, message or None)


def test_an_error_that_says_nothing_is_a_failure_without_an_exception():
    found = block(status={"code": 2})

    assert (found.status, found.exceptions) == ("failed", None)
