"""The commands by name. Each stands in a file of its own and is imported when it is called."""

import sys
from collections.abc import Sequence
from typing import Final

from cyclopts import App, CycloptsError

from flowtrail import __version__
from flowtrail.cli.console import errors
from flowtrail.cli.failures import FAILED, USAGE, Failure
from flowtrail.model.errors import FlowtrailError, Refusal

app = App(
    name="flowtrail",
    help="Where is my order, and why did it not arrive?",
    version=__version__,
    help_format="plaintext",
)

_COMMANDS: Final = (
    "serve",
    "demo",
    "import",
    "list",
    "show",
    "tail",
    "stats",
    "rebuild",
    "check",
    "bench",
    "doctor",
)
_MODULES: Final = {"import": "importing", "list": "listing", "bench": "bench.command"}

for _name in _COMMANDS:
    app.command(f"flowtrail.cli.{_MODULES.get(_name, _name)}:command", name=_name)


def run(arguments: Sequence[str]) -> int:
    """Run a command; its exit code: 0 fine, 1 failed, 2 usage, 3 not found."""
    try:
        code = app(list(arguments), exit_on_error=False, print_error=True, result_action="return_value")
    except CycloptsError:
        return USAGE
    except Failure as failure:
        errors.print(f"flowtrail: {failure}", markup=False, highlight=False)
        return failure.code
    except Refusal as refusal:
        errors.print(f"flowtrail: {refusal.message}", markup=False, highlight=False)
        return USAGE if refusal.status == 400 else FAILED
    except FlowtrailError as error:
        errors.print(f"flowtrail: {error}", markup=False, highlight=False)
        return FAILED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return code if isinstance(code, int) else 0
