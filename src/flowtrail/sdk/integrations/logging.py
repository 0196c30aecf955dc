"""Log lines on the block that runs while they are written, where whoever asks why it failed will look."""

import logging
import re
from time import localtime, strftime
from typing import Any, Final

from flowtrail.model.limits import MAX_MAP_NAMES
from flowtrail.sdk.ambient import current_block
from flowtrail.sdk.integrations.guarding import guarded
from flowtrail.sdk.raised import message_of
from flowtrail.sdk.values import CUT, cut_text

DETAIL: Final = "log"
"""The detail that holds the lines."""
_MARK: Final = re.compile(rf"{CUT}\[cut: (\d+) earlier lines\]")
_OWN: Final = "flowtrail"
_LINE_BYTES: Final = 72
_MOST_LINES: Final = 1_000


class BlockHandler(logging.Handler):
    """Adds what is logged to the detail `log` of the block that runs in this thread or task.

    The newest `lines` are kept, each cut at `chars`; a first entry says how many came before. What is logged outside
    of any block is none of its business. Add it beside the handlers there are: it takes nothing away from them.
    """

    def __init__(self, level: int | str = logging.INFO, *, lines: int = 50, chars: int = 500) -> None:
        super().__init__(level)
        self._lines = max(1, min(int(lines), _MOST_LINES))
        self._chars = max(1, int(chars))

    def emit(self, record: logging.LogRecord) -> None:
        """Add one line. Never raises, and prints nothing."""
        self._add(record)

    def format(self, record: logging.LogRecord) -> str:
        """The line: as the formatter says that was set, else time, level, logger, message and what was raised."""
        if self.formatter is not None:
            return self.formatter.format(record)
        at = strftime("%H:%M:%S", localtime(record.created))
        text = f"{at}.{int(record.msecs):03} {record.levelname} {record.name}: {record.getMessage()}"
        raised = record.exc_info[1] if record.exc_info else None
        return text if raised is None else f"{text} ({type(raised).__qualname__}: {message_of(raised)})"

    @guarded
    def _add(self, record: logging.LogRecord) -> None:
        if record.name == _OWN or record.name.startswith(f"{_OWN}."):
            return
        block = current_block()
        if block is not None:
            add_line(block, cut_text(self.format(record), self._chars), self._lines)


def add_line(block: Any, line: str, most: int) -> None:
    """Add one line to a block's `log`, of which it keeps so many. One caller at a time for each block."""
    details = block.details
    held = None if details is None else details.get(DETAIL)
    if type(held) is not list:
        # The last place is for the mark of a block that has more details than it may.
        if held is not None or len(details or ()) >= MAX_MAP_NAMES - 1:
            return
        held = []
    mark = _MARK.fullmatch(held[0]) if held else None
    kept = held[1:] if mark else held
    # A new list: whoever tells the old one, in another thread, is not disturbed.
    lines = [*kept, line][-most:]
    gone = (int(mark[1]) if mark else 0) + len(kept) + 1 - len(lines)
    size = 0
    if gone:
        lines.insert(0, f"{CUT}[cut: {gone} earlier lines]")
    else:
        size = _LINE_BYTES + len(line) * (1 if line.isascii() else 4)
    block.hold(DETAIL, lines, size)
