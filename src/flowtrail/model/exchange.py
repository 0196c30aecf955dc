"""The names that exports in formats of others and imports of them agree on.

Other tools read what the format knows; what only we know is carried beside it under these names, and importing goes by
that alone.
"""

from typing import Final

NAMESPACE: Final = "flowtrail"
STATEMENTS: Final = "flowtrail:statements"
"""The attribute that holds a JSON array of records: all that is said of the element it stands in."""
EXECUTION: Final = "flowtrail:execution"
"""The attribute of an event that is part of an execution whose statements stand at its last event."""
