"""What an integration loads, in a process of its own."""

import subprocess
import sys

import pytest

LIBRARIES = ("celery", "httpx2", "requests", "opentelemetry", "asyncio", "starlette", "urllib.request")


def loaded(program: str) -> list[str]:
    told = f"import sys; {program}; print(*[name for name in {LIBRARIES!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("name", ["logging", "asgi", "httpx2", "requests"])
def test_an_integration_loads_no_library_before_one_is_given(name):
    assert loaded(f"import flowtrail.sdk.integrations.{name}") == []


@pytest.mark.parametrize(("name", "library"), [("celery", "celery"), ("opentelemetry", "opentelemetry")])
def test_an_integration_loads_its_own_library(name, library):
    assert library in loaded(f"import flowtrail.sdk.integrations.{name}")


def test_the_sdk_loads_no_integration():
    program = (
        "import flowtrail; flowtrail.init(flow='f'); assert 'flowtrail.sdk.integrations' not in sys.modules"
    )

    assert loaded(program) == []
