"""Spans of traces in Parquet: a trace is a transaction, a span one execution of `service :: operation`.

Columns: `trace_id`, `parent` (the parent's row in this file from 0, negative at a root), `service`, `operation`,
`start_us`, `dur_us`; what else stands at a root becomes an attribute. A trace opens and ends with its root, delivered:
the log knows no failures. Spans of one operation in one trace are calls and not attempts at one thing, so none has an
attempt. Nothing is held between rows, so memory is that of the few rows read at a time.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from flowtrail.intake.importers.files import Source
from flowtrail.intake.importers.options import NAMING, ImportOptions
from flowtrail.intake.importers.problems import Problem, Problems, Unreadable
from flowtrail.intake.importers.statements import Announced, Ended, Executed, encode, execution_id
from flowtrail.model.errors import Refusal
from flowtrail.model.ids import derived_transaction_id
from flowtrail.storage.interface import DEFAULT_TENANT

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT: Final = "spans-parquet"
USES: Final = NAMING
COLUMNS: Final = ("trace_id", "parent", "service", "operation", "start_us", "dur_us")
_TEXTS: Final = ("trace_id", "service", "operation")
_NOT_FACTS: Final = frozenset({*COLUMNS, "span", "root"})
_EGRESS: Final = ("email", "mail", "shipping", "payment")
_ROWS: Final = 8_192
_MAGIC: Final = b"PAR1"


class _Kind(NamedTuple):
    block: str
    stage: str


class _Spans:
    def __init__(self, options: ImportOptions) -> None:
        self.source = options.source or FORMAT
        self.flow = options.flow or "traces"
        self.object_type = options.object_type or "trace"

    def id(self, trace: str) -> str:
        """The transaction of a trace."""
        return derived_transaction_id(
            DEFAULT_TENANT, self.source, trace, self.flow, self.object_type, trace
        ).hex()

    def batch(self, batch: "pa.RecordBatch", first: int, problems: Problems) -> Iterator[tuple[int, bytes]]:
        """What some rows say, the first of them at that position of the file."""
        names = batch.schema.names
        columns = [
            (_texts if name in _TEXTS else _values)(batch.column(names.index(name))) for name in COLUMNS
        ]
        facts = {
            name: _values(batch.column(index)) for index, name in enumerate(names) if name not in _NOT_FACTS
        }
        ids: dict[str, str] = {}
        kinds: dict[tuple[str, str], _Kind] = {}
        for offset, values in enumerate(zip(*columns, strict=True)):
            trace, parent, service, operation, start, duration = values
            row = first + offset + 1
            if None in values:
                problems(_missing(row, values))
                continue
            key = ids.get(trace)
            if key is None:
                key = ids[trace] = self.id(trace)
            kind = kinds.get((service, operation))
            if kind is None:
                kind = kinds[service, operation] = _kind(service, operation)
            root = parent < 0
            if root:
                told = {name: held for name, column in facts.items() if (held := column[offset]) is not None}
                yield (
                    row,
                    encode(
                        Announced(
                            key,
                            self.flow,
                            self.object_type,
                            trace,
                            created_at=start,
                            attributes=told or None,
                            trace=trace,
                        )
                    ),
                )
            yield (
                row,
                encode(
                    Executed(
                        key,
                        execution_id(row - 1),
                        kind.block,
                        "succeeded",
                        stage="ingress" if root else kind.stage,
                        parent=None if root else execution_id(parent),
                        started_at=start,
                        ended_at=start + duration,
                    )
                ),
            )
            if root:
                yield row, encode(Ended(key, "delivered", start + duration))


def read(source: Source, options: ImportOptions, problems: Problems) -> Iterator[tuple[int, bytes]]:
    """(row from 1, record) of every span, in order of the file. Raises: Refusal (no such columns, no pyarrow)."""
    parquet = _driver()
    spans = _Spans(options)
    source.is_read_first = True
    try:
        with _seekable(source) as (file, size):
            source.total, source.done = size, 0
            opened = parquet.ParquetFile(file, pre_buffer=False, buffer_size=1 << 16)
            wanted = _wanted(opened.schema_arrow)
            rows, first = max(opened.metadata.num_rows, 1), 0
            for batch in opened.iter_batches(batch_size=_ROWS, columns=wanted):
                yield from spans.batch(batch, first, problems)
                first += batch.num_rows
                source.done = size * first // rows
    except Unreadable as error:
        problems(error.at(None))
    except (OSError, _broken()) as error:
        problems(Problem(None, None, None, None, f"the file cannot be read: {error}"))


def _driver() -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise Refusal(
            "extra_missing", "Parquet needs pyarrow: pip install 'flowtrail[parquet]'", status=500
        ) from None
    return parquet


def _broken() -> type[Exception]:
    from pyarrow import ArrowException

    found: type[Exception] = ArrowException
    return found


@contextmanager
def _seekable(source: Source) -> Iterator[tuple[BinaryIO, int]]:
    """The file itself, or its decompressed copy: Parquet is read from its end."""
    if source.is_regular:
        with source.file.open("rb") as file:
            if file.read(len(_MAGIC)) == _MAGIC:
                file.seek(0)
                yield file, source.total or 0
                return
    with tempfile.TemporaryFile(prefix="flowtrail-") as copy:
        for chunk in source.chunks():
            copy.write(chunk)
        size = copy.tell()
        copy.seek(0)
        yield copy, size


def _wanted(schema: "pa.Schema") -> list[str]:
    """The columns to read: those that are needed, and facts that JSON can say. Raises: Refusal."""
    import pyarrow as pa

    missing = [name for name in COLUMNS if name not in schema.names]
    if missing:
        listed = ", ".join(schema.names)
        raise Refusal(
            "missing_column",
            f"there is no column {missing[0]!r}; the file has: {listed}",
            missing[0],
            None,
            listed,
        )
    for name in ("parent", "start_us", "dur_us"):
        kind = schema.field(name).type
        if not pa.types.is_integer(kind):
            raise Refusal(
                "wrong_column",
                f"column {name!r} holds {kind}; allowed: integers",
                name,
                str(kind),
                "integers",
            )
    return [
        name
        for name in schema.names
        if name in COLUMNS or (name not in _NOT_FACTS and _is_plain(schema.field(name).type))
    ]


def _is_plain(kind: "pa.DataType") -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return _is_text(kind) or any(
        test(kind) for test in (types.is_integer, types.is_floating, types.is_boolean)
    )


def _is_text(kind: "pa.DataType") -> bool:
    from pyarrow import types

    # The large ones are what other writers, such as Polars, make of every text.
    return types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view"


def _values(column: "pa.Array") -> Sequence[Any]:
    """A column as Python values; the words of a dictionary are made once."""
    import pyarrow as pa

    if not isinstance(column, pa.DictionaryArray):
        return list(column.to_pylist())
    words = column.dictionary.to_pylist()
    return [None if index is None else words[index] for index in column.indices.to_pylist()]


def _texts(column: "pa.Array") -> Sequence[Any]:
    """The same as texts: ids may be bytes, and names numbers."""
    return [value if value is None or isinstance(value, str) else _text(value) for value in _values(column)]


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _kind(service: str, operation: str) -> _Kind:
    egress = any(word in service.lower() for word in _EGRESS)
    return _Kind(f"{service} :: {operation}", "egress" if egress else "processing")


def _missing(row: int, values: tuple[Any, ...]) -> Problem:
    field = COLUMNS[values.index(None)]
    return Problem(row, field, None, "a value in every column that is needed", "the value is missing")
