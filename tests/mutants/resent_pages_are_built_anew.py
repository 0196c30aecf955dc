"""After a commit whose outcome is unknown the page is built again, with another secret, instead of sent again."""

from functools import partial

import msgspec

from flowtrail.intake import committer
from flowtrail.ledger.pages import SECRET_BYTES
from flowtrail.model.ids import random_bytes


def _append(self, pages):
    def anew():
        self._journal.append(
            [
                msgspec.structs.replace(page, hash=random_bytes(32), secret=random_bytes(SECRET_BYTES))
                for page in pages
            ]
        )

    first = [True]

    def attempt():
        if first:
            first.clear()
            self._journal.append(pages)
        else:
            anew()

    self._attempts.until_done(partial(attempt))


committer.Committer._append = _append
