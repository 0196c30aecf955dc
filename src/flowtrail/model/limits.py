"""Every limit on what comes in, in one table; the documentation prints this same table."""

from typing import Final

MAX_BODY_BYTES: Final = 20 * 1024 * 1024
"""A request's body after decompression."""
MAX_COMPRESSION_RATIO: Final = 200
"""Decompressed size over compressed size: real records reach 40, bombs 1,000."""
MAX_RECORD_BYTES: Final = 256 * 1024
MAX_MAP_NAMES: Final = 64
"""Attributes of a transaction, details or usages of an execution: per record, and kept per state."""
MAX_KEYS: Final = 16
MAX_DEPTH: Final = 8
"""Levels of maps and lists inside an attribute or a detail."""
MAX_NAME_CHARS: Final = 200
MAX_OBJECT_ID_CHARS: Final = 1_000
"""Object ids and key values: what people search for."""
MAX_EXECUTIONS: Final = 10_000
"""Executions kept per transaction: the smallest ids, with a `truncated` mark."""
MAX_PIECE_BYTES: Final = 1024 * 1024
MAX_PAGE_RECORDS: Final = 2_000
MAX_PAGE_BYTES: Final = 1024 * 1024
MAX_QUERY_CHARS: Final = 4_096
MAX_PAGE_SIZE: Final = 1_000
DEFAULT_PAGE_SIZE: Final = 50
MAX_INLINE_EXECUTIONS: Final = 1_000
"""Executions inside one transaction's answer; more come page by page."""
OLDEST_INSTANT_US: Final = 946_684_800_000_000
"""2000-01-01T00:00:00Z."""
NEWEST_INSTANT_US: Final = 7_258_118_400_000_000
"""2200-01-01T00:00:00Z, itself refused."""
