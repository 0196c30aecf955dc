"""`flowtrail show`: one object's life; why it failed comes first."""

import re
import shlex
from typing import Annotated, Any, Final

from cyclopts import Parameter

from flowtrail.cli.console import answers, errors, print_json
from flowtrail.cli.failures import NOT_FOUND, USAGE, Failure
from flowtrail.cli.life import life
from flowtrail.cli.target import Client, Target, connected
from flowtrail.model.errors import shorten

_ID: Final = re.compile(r"[0-9a-f]{32}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The same as others write it."""
_LOOKED_AT: Final = 1_000
"""Transactions among which the one that is called so is looked for."""


def command(
    id: Annotated[str, Parameter(help="A transaction's id, or an object's id or key.")],
    /,
    *,
    json: Annotated[bool, Parameter(help="The API's answer, with its lineage.")] = False,
    target: Target | None = None,
) -> int:
    """Show the life of one transaction; an object's id shows its newest, a key the newest that has it."""
    with connected(target or Target()) as client:
        found = _find(client, id)
        found["blocks"] += _rest(client, found)
        lineage = client.get(f"/v1/transactions/{found['id']}/lineage")
    if json:
        print_json({**found, "lineage": lineage})
        return 0
    for line in life(found, lineage):
        answers.print(line)
    return 0


def _find(client: Client, text: str) -> dict[str, Any]:
    if not text.strip():
        raise Failure("name a transaction's id, or an object's id or key", USAGE)
    lower = text.lower()
    if _ID.fullmatch(lower):
        try:
            return dict(client.get(f"/v1/transactions/{lower}"))
        except Failure as failure:
            # An object or a key may be called like that too.
            if failure.code != NOT_FOUND:
                raise
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    page = client.get("/v1/transactions", q=quoted, page_size=_LOOKED_AT)
    if not page["transactions"] and _UUID.fullmatch(lower):
        # An object may be called like that too, and then it was meant.
        return _find(client, lower.replace("-", ""))
    if not page["transactions"]:
        raise Failure(
            f"nothing is known of {shorten(text)!r}: neither an id, an object id nor a key", NOT_FOUND
        )
    # Of an order's number its items may have made a key, and they are newer than the order.
    found = [row["id"] for row in page["transactions"]]
    own = [row["id"] for row in page["transactions"] if row["object_id"] == text]
    if page["total"] > 1:
        about = "" if page["total_is_exact"] else "at least "
        which = "the newest that is called so" if own and own[0] != found[0] else "the newest"
        errors.print(
            f"{about}{page['total']} transactions match; this is {which}. All:"
            f" flowtrail list {shlex.quote(quoted)}"
        )
    return dict(client.get(f"/v1/transactions/{(own or found)[0]}"))


def _rest(client: Client, found: dict[str, Any]) -> list[dict[str, Any]]:
    """The executions beyond those that come with the transaction."""
    rest: list[dict[str, Any]] = []
    token = found.pop("blocks_next_page_token", None)
    while token:
        page = client.get(f"/v1/transactions/{found['id']}/blocks", page_size=1000, page_token=token)
        rest += page["blocks"]
        token = page["next_page_token"]
    return rest
