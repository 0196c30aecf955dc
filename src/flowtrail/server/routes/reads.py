"""Every read in one table: its path, its parameters, the service that answers, and what the answer looks like.

A read waits for views where it is asked to, then runs, its encoding included, on a thread of the bounded pool.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from flowtrail.model.clock import now_us
from flowtrail.query import flows, objects, producers, statistics, transactions
from flowtrail.server import answers
from flowtrail.server.parameters import (
    FLOW,
    LIST,
    NOTHING,
    OBJECT,
    PAGES,
    PRODUCERS,
    STATISTICS,
    Parameter,
    read_parameters,
)
from flowtrail.server.services import caller_of, json_answer, services_of
from flowtrail.storage.interface import Store


class Ask(NamedTuple):
    """One question: `given` are the query string's values, `path` those of the path."""

    store: Store
    tenant: str
    now: int
    given: dict[str, str]
    path: dict[str, str]


class Read(NamedTuple):
    """One row of the table."""

    path: str
    summary: str
    parameters: tuple[Parameter, ...]
    answer: type[msgspec.Struct]
    call: Callable[[Ask], Any]


def _list(ask: Ask) -> Any:
    given = ask.given
    return transactions.list_transactions(
        ask.store,
        ask.tenant,
        q=given.get("q"),
        from_=given.get("from"),
        to=given.get("to"),
        sort=given.get("sort"),
        page_size=given.get("page_size"),
        page_token=given.get("page_token"),
        count=given.get("count"),
        now=ask.now,
    )


def _transaction(ask: Ask) -> Any:
    return transactions.get_transaction(ask.store, ask.tenant, ask.path["id"], ask.now)


def _progress(ask: Ask) -> Any:
    return transactions.get_progress(ask.store, ask.tenant, ask.path["id"], ask.now)


def _blocks(ask: Ask) -> Any:
    size, token = ask.given.get("page_size"), ask.given.get("page_token")
    return transactions.list_blocks(ask.store, ask.tenant, ask.path["id"], page_size=size, page_token=token)


def _records(ask: Ask) -> Any:
    size, token = ask.given.get("page_size"), ask.given.get("page_token")
    return transactions.list_records(ask.store, ask.tenant, ask.path["id"], page_size=size, page_token=token)


def _lineage(ask: Ask) -> Any:
    return transactions.get_lineage(ask.store, ask.tenant, ask.path["id"])


def _object(ask: Ask) -> Any:
    given = ask.given
    return objects.list_object(
        ask.store,
        ask.tenant,
        given["type"],
        given["id"],
        page_size=given.get("page_size"),
        page_token=given.get("page_token"),
        now=ask.now,
    )


def _flows(ask: Ask) -> Any:
    return flows.list_flows(ask.store, ask.tenant, ask.now)


def _flow(ask: Ask) -> Any:
    given = ask.given
    return flows.get_flow(
        ask.store, ask.tenant, ask.path["flow"], given.get("from"), given.get("to"), ask.now
    )


def _statistics(ask: Ask) -> Any:
    given = ask.given
    return statistics.get_statistics(
        ask.store,
        ask.tenant,
        from_=given.get("from"),
        to=given.get("to"),
        step=given.get("step"),
        group_by=given.get("group_by"),
        q=given.get("q"),
        now=ask.now,
        source=given.get("source"),
    )


def _producers(ask: Ask) -> Any:
    given = ask.given
    return producers.list_producers(
        ask.store,
        ask.tenant,
        producer=given.get("producer"),
        verdict=given.get("verdict"),
        page_size=given.get("page_size"),
        page_token=given.get("page_token"),
        now=ask.now,
    )


def _producer(ask: Ask) -> Any:
    size, token = ask.given.get("page_size"), ask.given.get("page_token")
    return producers.get_producer(ask.store, ask.tenant, ask.path["producer"], size, token, ask.now)


READS: Final = (
    Read(
        "/v1/transactions",
        "Transactions that match a query, newest first.",
        LIST,
        answers.Transactions,
        _list,
    ),
    Read(
        "/v1/transactions/{id}",
        "One transaction with everything.",
        NOTHING,
        answers.Transaction,
        _transaction,
    ),
    Read(
        "/v1/transactions/{id}/progress",
        "How far along it is.",
        NOTHING,
        answers.TransactionProgress,
        _progress,
    ),
    Read("/v1/transactions/{id}/blocks", "Its executions, in order.", PAGES, answers.Blocks, _blocks),
    Read("/v1/transactions/{id}/records", "Its records as accepted.", PAGES, answers.Records, _records),
    Read(
        "/v1/transactions/{id}/lineage", "What it came from and led to.", NOTHING, answers.Lineage, _lineage
    ),
    Read(
        "/v1/objects",
        "Every transaction of an object, newest first.",
        OBJECT,
        answers.ObjectTransactions,
        _object,
    ),
    Read("/v1/flows", "What runs.", NOTHING, answers.Flows, _flows),
    Read(
        "/v1/flows/{flow:path}", "A flow's blocks and edges with counts and times.", FLOW, answers.Flow, _flow
    ),
    Read("/v1/producers", "What came of each producer session.", PRODUCERS, answers.Producers, _producers),
    Read(
        "/v1/producers/{producer:path}",
        "One producer session with every gap.",
        PAGES,
        answers.Producer,
        _producer,
    ),
    Read("/v1/statistics", "Counts, rates and percentiles.", STATISTICS, answers.Statistics, _statistics),
)


def endpoint_of(read: Read) -> Callable[[Request], Awaitable[Response]]:
    """The function that answers a row of the table."""

    def answered(ask: Ask) -> bytes:
        return msgspec.json.encode(read.call(ask))

    async def endpoint(request: Request) -> Response:
        services = services_of(request)
        given = read_parameters(request, read.parameters)
        headers = await services.waiting.before(request)
        ask = Ask(services.store, caller_of(request).tenant, now_us(), given, request.path_params)
        return json_answer(await services.reads.run(answered, ask), headers=headers)

    endpoint.__doc__ = read.summary
    return endpoint
