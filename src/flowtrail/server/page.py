"""The page at `/`, until the web app comes: what is running, the latest objects, and what to try.

One document without scripts and without anything loaded from elsewhere; whatever comes from a record is escaped.
"""

import base64
import hashlib
from html import escape
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from flowtrail import __version__
from flowtrail.model.clock import MICROS, now_us
from flowtrail.model.errors import FlowtrailError
from flowtrail.projection.life import told_seconds
from flowtrail.query import producers, transactions
from flowtrail.server.parameters import PAGE, read_parameters
from flowtrail.server.problems import CODE, answer, problem_of
from flowtrail.server.services import Services, caller_of, services_of
from flowtrail.server.watching import lag_of

PATH: Final = "/"
ROWS: Final = "20"
LOSSES: Final = "5"
"""Producer sessions shown when something is missing."""

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5a6675;--line:#d9dee5;--ground:#fff;--raised:#f5f7f9;--link:#0b57c2;
--delivered:#1a7f37;--failed:#c1272d;--filtered:#8a6100;--in_transit:#0b57c2;--cancelled:#5a6675}
@media (prefers-color-scheme:dark){:root{--ink:#e4e9ef;--soft:#9aa6b4;--line:#333d49;--ground:#12171d;--raised:#1b222a;
--link:#7db4ff;--delivered:#5fce7c;--failed:#ff8a85;--filtered:#e2b54a;--in_transit:#7db4ff;--cancelled:#9aa6b4}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:1.5rem 1rem 3rem;background:var(--ground);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
a{color:var(--link)}p{margin:.25rem 0}
.soft{color:var(--soft)}.bad{color:var(--failed);font-weight:600}
form{display:flex;gap:.5rem;margin:.5rem 0}
input{flex:1;min-width:0;padding:.5rem;font:inherit;color:inherit;background:var(--ground);border:1px solid var(--soft);
border-radius:.3rem}
button{padding:.5rem 1rem;font:inherit;color:inherit;background:var(--raised);border:1px solid var(--soft);border-radius:.3rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th{color:var(--soft);font-weight:400;text-align:left}
th,td{padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
td.n{white-space:nowrap;font-variant-numeric:tabular-nums}
.s{white-space:nowrap;font-weight:600}
.delivered{color:var(--delivered)}.failed{color:var(--failed)}.filtered{color:var(--filtered)}
.in_transit{color:var(--in_transit)}.cancelled{color:var(--cancelled)}
pre{margin:.5rem 0;padding:.75rem;background:var(--raised);border:1px solid var(--line);border-radius:.3rem;
white-space:pre-wrap;overflow-wrap:anywhere;font:.875rem/1.5 ui-monospace,monospace}
@media (max-width:40rem){thead{display:none}tr{display:block;padding:.5rem 0;border-bottom:1px solid var(--line)}
td{display:block;padding:0;border:0}td:empty{display:none}}
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


async def front_page(request: Request) -> Response:
    """What is running, the latest objects, and what to try."""
    services = services_of(request)
    given = read_parameters(request, PAGE)
    query = given.get("q", "")
    try:
        waited = await services.waiting.before(request)
        body = await services.reads.run(_made, services, caller_of(request).tenant, query)
        status = 200
    except FlowtrailError as error:
        # A person looks: the same page says what is wrong, and keeps status and headers for whoever is a machine.
        problem, later = problem_of(error), answer(error).headers.get("Retry-After")
        waited, status = {} if later is None else {"Retry-After": later}, problem.status
        request.scope[CODE] = problem.code
        body = _document(services, query, f'<p class="bad" role="alert">{escape(problem.message)}</p>', "")
    return Response(body, status, {**HEADERS, **waited}, "text/html")


def _made(services: Services, tenant: str, query: str) -> str:
    found = transactions.list_transactions(
        services.store,
        tenant,
        q=query,
        from_=None,
        to=None,
        sort="opened" if query else "updated",
        page_size=ROWS,
        page_token=None,
        count=None,
        now=now_us(),
    )
    total = f"{found['total']:,}" if found["total"] is not None else "many"
    known = "" if found["total_is_exact"] else "at least "
    many = f'<p class="soft">{known}{total} in all</p>'
    lag = lag_of(services.store)
    behind = f"views are {lag.seconds:.0f} s behind" if lag.seconds > 2 else "views are up to date"
    losses = "" if query else _missing(services, tenant)
    content = (
        _table(found["transactions"]) if found["transactions"] else _nothing(query, short=found["short"])
    )
    return _document(services, query, many + content, behind, losses)


def _missing(services: Services, tenant: str) -> str:
    """What producers lost on the way, if they did."""
    sums = producers.totals(services.store, tenant)
    if not sums["troubled"]:
        return ""
    worst = producers.list_producers(
        services.store, tenant, verdict="gaps,lost", page_size=LOSSES, now=now_us()
    )
    lines = "".join(_loss(row) for row in worst["producers"])
    rest = sums["troubled"] - len(worst["producers"])
    more = f'<p class="soft">and {rest:,} more sessions</p>' if rest > 0 else ""
    return (
        '<section><h2>Something is missing</h2><div class="scroll"><table><thead><tr><th>Producer</th>'
        "<th>Never came</th><th>Refused</th><th>Given up</th><th>Last heard (UTC)</th></tr></thead>"
        f"<tbody>{lines}</tbody></table></div>{more}</section>"
    )


def _loss(row: dict[str, Any]) -> str:
    dropped = sum(row["report"]["dropped"].values()) if row["report"] else 0
    return (
        f'<tr><td><a href="/v1/producers/{quote(row["producer"])}">{escape(row["producer"])}</a></td>'
        f'<td class="n">{row["missing"]:,}</td><td class="n">{row["rejected"]:,}</td><td class="n">{dropped:,}</td>'
        f'<td class="n">{row["last_seen"][:19].replace("T", " ")}</td></tr>'
    )


def _document(services: Services, query: str, content: str, views: str, losses: str = "") -> str:
    heading = "Found" if query else "Latest objects"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Flowtrail</title><style>{_STYLE}</style></head><body>"
        f"<header><h1>Flowtrail</h1>{_running(services, views)}</header><main>"
        '<form action="/" method="get" role="search"><input name="q" type="search" maxlength="4096"'
        ' aria-label="Query" placeholder="4711 or status:failed type:order"'
        f' value="{escape(query)}"><button>Find</button></form>'
        f"{losses}<h2>{heading}</h2>{content}{_to_try(services)}</main></body></html>"
    )


def _running(services: Services, views: str) -> str:
    kind = services.settings.store.partition(":")[0]
    said = [
        f"version {__version__}",
        f"store: {kind}",
        f"up for {told_seconds((now_us() - services.started_at) / MICROS)}",
    ]
    wrong = []
    if services.intake is None:
        said.append("reads only")
    elif services.intake.committer.failure is not None:
        wrong.append(f"records are not taken in: {services.intake.committer.failure}")
    if services.projector is not None and not services.projector.up:
        wrong.append("the projector is down")
    if views:
        said.append(views)
    alarm = "".join(f'<p class="bad" role="alert">{escape(text)}</p>' for text in wrong)
    return f'<p class="soft">{escape(" · ".join(said))}</p>{alarm}'


def _nothing(query: str, *, short: bool) -> str:
    if not query:
        return "<p>Nothing yet. The first command below sends something.</p>"
    if short:
        return "<p>Nothing was found in the time that a page may take; a narrower query looks at less.</p>"
    return "<p>Nothing matches.</p>"


def _table(rows: list[dict[str, Any]]) -> str:
    lines = "".join(_row(row) for row in rows)
    return (
        '<div class="scroll"><table><thead><tr><th>Status</th><th>Object</th><th>Flow</th><th>Block or reason</th>'
        f"<th>Updated (UTC)</th><th>Took</th></tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _row(row: dict[str, Any]) -> str:
    status = row["status"]
    name = f"{row['object_type']} {row['object_id']}" if row["announced"] else f"not announced: {row['id']}"
    if len(name) > 120:
        name = name[:119] + "…"
    at = row["current_block"] or row["predicate"] or row["reason"] or ""
    took = told_seconds(row["duration_s"])
    updated = (row["updated_at"] or "")[:19].replace("T", " ")
    return (
        f'<tr><td class="s {escape(status)}">{escape(status.replace("_", " "))}</td>'
        f'<td><a href="/v1/transactions/{quote(row["id"])}">{escape(name)}</a></td>'
        f"<td>{escape(row['flow'] or '')}</td><td>{escape(at[:120])}</td>"
        f'<td class="n">{escape(updated)}</td><td class="n">{escape(took)}</td></tr>'
    )


def _to_try(services: Services) -> str:
    at = services.address
    key = "" if services.settings.api_key is None else ' -H "Authorization: Bearer $FLOWTRAIL_API_KEY"'
    record = (
        '{"kind":"transaction","id":"0192e4a0b1c27d3e8f90a1b2c3d4e5f6","flow":"shop-to-erp","object_type":"order",'
        '"object_id":"4711","created_at":"2026-11-23T10:00:00Z"}'
    )
    commands = [
        f"curl {at}/v1/records{key} -H 'Content-Type: application/x-ndjson' \\\n  -d '{record}'",
        f"curl -G {at}/v1/transactions{key} --data-urlencode 'q=status:failed'",
        f"curl -N {at}/v1/live{key}",
        f"flowtrail show 4711 --url {at}",
    ]
    listed = "".join(f"<pre>{escape(command)}</pre>" for command in commands)
    return (
        f"<h2>What to try</h2>{listed}<p>Every route is described in "
        '<a href="/openapi.json">/openapi.json</a>; how this server is doing stands in <a href="/metrics">/metrics</a> '
        'and <a href="/readyz">/readyz</a>.</p>'
    )
