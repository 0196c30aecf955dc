"""`flowtrail export`: transactions as a file of any size."""

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Final, cast

from cyclopts import Parameter
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from flowtrail.cli.console import errors, safe, size
from flowtrail.cli.exported import Exported
from flowtrail.cli.failures import USAGE, Failure
from flowtrail.cli.queries import query_text
from flowtrail.cli.target import Target, connected
from flowtrail.model.errors import counted

_STDOUT: Final = Path("-")
_FORMATS: Final = "ndjson (default), csv, ocel2-json or xes"
_FORMAT_WORDS: Final = frozenset({"ndjson", "csv", "ocel2", "ocel2-json", "xes"})


def command(
    *query: Annotated[
        str,
        Parameter(allow_leading_hyphen=True, help="Words of the query language, such as status:failed 4711."),
    ],
    format: Annotated[str, Parameter(help=f"{_FORMATS}.")] = "ndjson",
    content: Annotated[
        str | None,
        Parameter(
            help="ndjson: records (default) or transactions; csv: transactions (default) or executions; else log."
        ),
    ] = None,
    query_: Annotated[
        str | None, Parameter(name="--query", help="The query as one text, instead of words.")
    ] = None,
    from_: Annotated[str | None, Parameter(name="--from", help="Opened at or after.")] = None,
    to: Annotated[str | None, Parameter(help="Opened before.")] = None,
    output: Annotated[
        Path,
        Parameter(
            allow_leading_hyphen=True,
            help="The file, compressed when it is called .gz or .zst; it appears when it is whole. Default: standard output.",
        ),
    ] = _STDOUT,
    target: Target | None = None,
) -> int:
    """Export transactions that match QUERY, all of them without one."""
    _check(query, query_, output)
    wanted = {
        "format": format,
        "content": content,
        "q": query_text(query) if query_ is None else query_,
        "from": from_,
        "to": to,
    }
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[size]}"),
        TimeElapsedColumn(),
        console=errors,
        disable=not errors.is_terminal or (output == _STDOUT and sys.stdout.isatty()),
    )
    parameters = {name: value for name, value in wanted.items() if value is not None}
    # Before the file is touched: what the server refuses leaves nothing behind.
    with (
        connected(target or Target()) as client,
        client.streamed("/v1/export", parameters) as parts,
        _written(output) as file,
        bar,
    ):
        exported, task = Exported(format, content), bar.add_task(safe(format), total=None, size="")
        for part in parts:
            file.write(part)
            exported.take(part)
            bar.update(task, size=size(exported.size))
    _tell(exported, is_of_all=not (wanted["q"] or from_ or to))
    return 0


def _check(words: tuple[str, ...], text: str | None, output: Path) -> None:
    """See that what was said can be meant, before anything is asked. Raises: Failure."""
    if words and text is not None:
        raise Failure("say the query as words or with --query, not both", USAGE)
    if words and words[0] in _FORMAT_WORDS:
        # As `import` has it; what matches such a word is nothing, which looks like an empty log.
        word = words[0]
        told = f"a format is named with --format ({_FORMATS}); what has {word!r} in it is found with --query {word}"
        raise Failure(told, USAGE)
    if output.is_dir():
        raise Failure(f"--output names a directory: {output}; allowed: a file", USAGE)
    if not output.parent.is_dir():
        raise Failure(f"--output names a file in a directory that is not there: {output.parent}")


def _tell(exported: Exported, *, is_of_all: bool) -> None:
    told = f"{counted(exported.count, exported.what)} exported"
    if not exported.count:
        told += (
            f": there are no {exported.what} yet" if is_of_all else f": the query matches no {exported.what}"
        )
    errors.print(told)


@contextmanager
def _written(output: Path) -> Iterator[IO[bytes]]:
    """What is written to; a file takes its name when it is whole, and leaves nothing behind when it is not."""
    if output == _STDOUT:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _unwritten("standard output", error) from error
        return
    # A device or a pipe has no other place for what is not whole yet; a link stays one.
    special = output.exists() and not output.is_file()
    target = output.resolve()
    part = output if special else target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as raw:
            if output.suffix == ".gz":
                with gzip.GzipFile(output.stem, "wb", 6, raw) as packed:
                    yield cast("IO[bytes]", packed)
            elif output.suffix == ".zst":
                import zstandard

                with zstandard.ZstdCompressor().stream_writer(raw, closefd=False) as packed:
                    yield cast("IO[bytes]", packed)
            else:
                yield raw
        if not special:
            part.replace(target)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _unwritten(str(output), error) from error
    finally:
        if not special:
            part.unlink(missing_ok=True)


def _unwritten(what: str, error: OSError) -> Failure:
    return Failure(f"{what} cannot be written: {error.strerror or error}")
