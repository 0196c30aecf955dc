"""The records that spans become."""

from flowtrail.model.records import BlockRecord, EndRecord, LinkRecord, TransactionRecord
from tests.support.kinds import only
from tests.support.otlp import read, request, root, span


def records(*spans, settings=None, resource=None, scope=None):
    decoded = read(request(*spans, resource=resource, scope=scope), settings=settings)
    assert decoded.rejected == []
    return decoded.records


def block(told=None, **more):
    return only(records(span(told, **more)), BlockRecord)


def opened(told=None, settings=None, resource=None, **more):
    return only(records(root(told, **more), settings=settings, resource=resource), TransactionRecord)


def ended(told=None, **more):
    return only(records(root(told, **more)), EndRecord)


def links(*spans, settings=None):
    return [each for each in records(*spans, settings=settings) if isinstance(each, LinkRecord)]
