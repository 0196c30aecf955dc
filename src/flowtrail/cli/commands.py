"""The commands by name. Each stands in a file of its own and is imported when it is called."""

import os
import sys
from collections.abc import Sequence
from typing import Final

from cyclopts import App, CycloptsError, Parameter

from flowtrail import __version__
from flowtrail.cli import settings
from flowtrail.cli.console import Terminal, errors, safe, show_all
from flowtrail.cli.failures import FAILED, INTERRUPTED, USAGE, Failure
from flowtrail.cli.usage import usage
from flowtrail.model.errors import FlowtrailError, Refusal

app = App(
    name="flowtrail",
    help="Where is my order, and why did it not arrive?",
    help_epilogue="Exit codes: 0 fine, 1 failed, 2 usage, 3 not found.",
    version=__version__,
    help_format="plaintext",
    default_parameter=Parameter(negative=()),
    console=Terminal(),
    # Otherwise the process ends in there, without a word.
    suppress_keyboard_interrupt=False,
)

# What is said here stands in the overview; the command's own page is its docstring.
_COMMANDS: Final = {
    "demo": "Start a server on sample data and say what to try.",
    "serve": "Take records and answer questions over HTTP.",
    "import": "Read a log of another system, again and again without changing anything.",
    "export": "Write transactions to a file, as records, CSV, OCEL or XES.",
    "list": "List transactions that match a query, newest first.",
    "show": "Show one object's life, and why it failed.",
    "tail": "Follow transactions as they change.",
    "stats": "Show counts, rates and percentiles.",
    "producers": "Show what came of each producer session, and whether anything is missing.",
    "check": "Prove that the journal was not altered and that the views are what it says.",
    "rebuild": "Make the views again from the journal.",
    "doctor": "Say what is wrong with a set-up and how to mend it.",
    "bench": "Measure this machine and this version.",
}
_MODULES: Final = {"import": "importing", "export": "exporting", "list": "listing", "bench": "bench.command"}

for _name, _help in _COMMANDS.items():
    app.command(f"flowtrail.cli.{_MODULES.get(_name, _name)}:command", name=_name, help=_help)


def run(arguments: Sequence[str]) -> int:
    """Run a command; its exit code: 0 fine, 1 failed, 2 usage, 3 not found."""
    show_all()
    try:
        code = app(
            list(arguments),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        sys.stdout.flush()
    except CycloptsError as error:
        return _failed(Failure(usage(error)), USAGE)
    except Failure as failure:
        return _failed(failure, failure.code)
    except Refusal as refusal:
        return _failed(refusal, USAGE if refusal.status == 400 else FAILED)
    except FlowtrailError as error:
        return _failed(error, FAILED)
    except KeyboardInterrupt:
        errors.print("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Who read our output has gone; the interpreter's own last flush must not complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _failed(error, FAILED)
    except Exception as error:
        if isinstance(error, UnicodeEncodeError) and (word := _no_text(arguments)) is not None:
            return _failed(Failure(f"{word!r} is no text in the encoding of this terminal"), USAGE)
        if settings.debugs():
            raise
        told = f"{type(error).__name__}: {error}"
        return _failed(Failure(f"an error nobody foresaw, {told}; FLOWTRAIL_DEBUG=1 shows where"), FAILED)
    return code if isinstance(code, int) else 0


def _no_text(arguments: Sequence[str]) -> str | None:
    """The first argument with bytes that are no text: those come as halves of surrogate pairs."""
    return next((word for word in arguments if any("\ud800" <= each <= "\udfff" for each in word)), None)


def _failed(error: Exception, code: int) -> int:
    errors.print(f"flowtrail: {safe(error)}")
    return code
