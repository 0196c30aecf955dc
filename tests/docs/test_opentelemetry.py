"""The page about OpenTelemetry says what the mapping does, and what it shows works."""

import os
import re
import subprocess
import sys
from pathlib import Path

from flowtrail.intake.foreign import otlp_conventions as names
from tests.support.foreign import whole
from tests.support.served import served

PAGE = (Path(__file__).parents[2] / "docs" / "opentelemetry.md").read_text(encoding="utf-8")
SET_UP = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
"""


def test_what_is_shown_to_an_application_works():
    (exports,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    with served() as server:
        script = exports.replace("http://127.0.0.1:8765", server.url) + f'"{sys.executable}" -c "$PROGRAM"'
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "FLOWTRAIL_"))
        }
        program = f"{SET_UP}\n{program}\ntrace.get_tracer_provider().shutdown()\n"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=kept | {"PROGRAM": program, "OTEL_SERVICE_NAME": "shop"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found = whole(server, "4711")

    assert (found["object_type"], found["object_id"], found["flow"]) == ("order", "4711", "shop")
    assert {each["block"] for each in found["blocks"]} == {"POST /orders", "validate"}


def test_the_conventions_are_those_of_the_table():
    table = PAGE[PAGE.index("| fact | attributes |") :].split("\n\n")[0]
    told = {}
    for row in table.splitlines()[2:]:
        fact, attributes = (cell.strip() for cell in row.strip("|").split("|"))
        told[fact] = re.findall(r"`([^`]+)`", attributes)
    expected = {f"object and key `{named.name}`": [*named.attributes] for named in names.OBJECTS}
    expected |= {
        f"key `{named.name}`": [*named.attributes] for named in names.KEYS if named not in names.OBJECTS
    }
    expected |= {"sent again": [*names.ATTEMPTS_BEFORE]}
    expected |= {f"usage `{named.name}`": [*named.attributes] for named in names.USAGES}
    expected |= {"block of a span without a name": [name for row in names.BLOCKS for name in row]}
    expected |= {"type of an error without an exception": [*names.ERROR_TYPES, "error"]}
    expected |= {"call to a database": [*names.DATABASES]}

    assert told == expected


def test_every_attribute_of_ours_is_documented_and_no_other():
    ours = {
        value for name, value in vars(names).items() if name.isupper() and str(value).startswith(names.PREFIX)
    } - {names.PREFIX}
    documented = {name.removesuffix("NAME") for name in re.findall(r"`(flowtrail\.[a-z._]+(?:NAME)?)", PAGE)}

    assert documented | {names.SKIP_EXPECTED, names.SKIP_ACTUAL} == ours | {"flowtrail.cut"}
