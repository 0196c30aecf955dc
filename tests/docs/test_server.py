"""The pages about the server and its API say what the code does."""

import ast
import re
from pathlib import Path

import pytest

from flowtrail.model import limits
from flowtrail.server import settings
from flowtrail.server.openapi import describe
from flowtrail.server.settings import SETTINGS, default_of
from tests.support.served import served, transaction

ROOT = Path(__file__).parents[2]
SERVER = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
SOURCE = ROOT / "src" / "flowtrail"
# What these refuse is told on the command line, or to callers inside; never over HTTP.
ELSEWHERE = {"cli", "importers", "ledger", "storage", "sdk"}
STARTING = {"invalid_pattern", "invalid_rule", "invalid_setting", "key_required"}


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table whose first column has that heading."""
    table = re.search(rf"^\| {re.escape(heading)} \|.*?\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table, heading
    return [[cell.strip() for cell in row.strip("|\n").split(" |")] for row in table[1].splitlines()]


def test_every_setting_is_documented_as_it_is():
    documented = [[re.sub("`", "", cell) for cell in row] for row in rows(SERVER, "setting")]

    def default(field):
        value = default_of(field)
        return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

    assert documented == [
        [
            setting.field,
            setting.variable,
            default(setting.field),
            setting.allowed.replace("`", ""),
            setting.meaning.replace("`", ""),
        ]
        for setting in SETTINGS
    ]


def test_the_flags_are_those_of_the_command():
    import inspect

    from flowtrail.cli.serve import command

    flags = {f"--{name.replace('_', '-')}" for name in inspect.signature(command).parameters}
    told = re.search(r"^(.*) are flags;", SERVER, re.MULTILINE)[1]

    assert set(re.findall(r"`(--[a-z-]+)`", told)) == flags


def test_every_route_is_documented_and_no_other():
    documented = {row[0].strip("`"): row[1] for row in rows(API, "route")}
    described = {
        f"{method.upper()} {path}": operation["summary"]
        for path, methods in describe()["paths"].items()
        for method, operation in methods.items()
    }

    assert documented == described


def test_every_metric_is_documented_and_no_other():
    documented = {re.sub(r"_total$", "", row[0].strip("`")): row[1] for row in rows(SERVER, "metric")}
    with served() as server:
        server.seen(transaction())
        server.get("/nope")
        text = server.get("/metrics").text
    told = {
        re.sub(r"_total$", "", name): meaning
        for name, meaning in re.findall(r"^# HELP (flowtrail_\w+) (.*)$", text, re.MULTILINE)
    }

    assert documented == told


def refusals() -> dict[str, Path]:
    """Every code that the source refuses a request or a record with."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        if ELSEWHERE & set(path.relative_to(SOURCE).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            place = {"Refusal": 0, "Problem": 1}.get(name)
            if place is not None and len(node.args) > place and isinstance(node.args[place], ast.Constant):
                found[node.args[place].value] = path.relative_to(SOURCE)
    return found


def codes(heading_row: int) -> dict[str, str]:
    tables = re.findall(r"^\| code \|.*?\n\|[-|]+\|\n((?:\|.*\n)+)", API, re.MULTILINE)
    found = {}
    for row in tables[heading_row].splitlines():
        cells = row.strip("|").split("|")
        for code in re.findall(r"`(\w+)`", cells[0]):
            found[code] = cells[1].strip()
    return found


def test_every_code_is_documented():
    documented = set(codes(0)) | set(codes(1))

    assert {
        code: str(path)
        for code, path in refusals().items()
        if code not in documented | STARTING | {"refused"}
    } == {}


def test_no_code_is_documented_that_is_never_used():
    source = "".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))

    assert [code for code in (*codes(0), *codes(1)) if f'"{code}"' not in source] == []


def test_statuses_of_codes_are_those_of_the_problems():
    documented = codes(0)
    for path in (SOURCE / "server").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", "") == "Problem"
                and len(node.args) > 1
            ):
                status, code = node.args[:2]
                if isinstance(status, ast.Constant) and isinstance(code, ast.Constant):
                    assert documented[code.value] == str(status.value), code.value


@pytest.mark.parametrize(
    ("row", "values"),
    [
        ("body", [limits.MAX_BODY_BYTES // 2**20, limits.MAX_COMPRESSION_RATIO]),
        ("record", [limits.MAX_RECORD_BYTES // 2**10]),
        ("attributes, details, usages", [limits.MAX_MAP_NAMES]),
        ("keys", [limits.MAX_KEYS]),
        ("depth of attributes and details", [limits.MAX_DEPTH]),
        ("names", [limits.MAX_NAME_CHARS]),
        ("object ids, key values", [limits.MAX_OBJECT_ID_CHARS]),
        ("executions kept of a transaction", [limits.MAX_EXECUTIONS]),
    ],
)
def test_limits_are_those_of_the_table(row, values):
    documented = dict(rows(API, "limit"))

    numbers = [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", documented[row])]
    assert numbers == values


def test_the_store_variable_is_the_documented_one():
    assert settings.STORE_VARIABLE in SERVER
