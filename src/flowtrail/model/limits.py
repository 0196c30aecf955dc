"""Every limit on what comes in, in one table; the documentation prints this same table."""

from typing import Final

MAX_BODY_BYTES: Final = 20 * 1024 * 1024
"""A request's body, as sent and after decompression."""
MAX_COMPRESSION_RATIO: Final = 200
"""Decompressed size over compressed size: real records reach 40, bombs 1,000."""
MAX_BODY_RECORDS: Final = 50_000
"""Records of one request, so that the answer about a body of rubbish stays smaller than the body."""
MAX_RECORD_BYTES: Final = 256 * 1024
"""A record's JSON as it came."""
MAX_MAP_NAMES: Final = 64
"""Attributes of a transaction, details or usages of an execution: per record, and kept per state."""
MAX_KEYS: Final = 16
"""Search keys of a transaction: each is an entry of the index."""
MAX_DEPTH: Final = 8
"""Levels of maps and lists inside an attribute, a detail, or what a skip expected and found."""
MAX_NAME_CHARS: Final = 200
"""Names of everything, and short texts that are searched: versions, traces, predicates, workers, producers."""
MAX_OBJECT_ID_CHARS: Final = 1_000
"""Object ids and key values: what people search for. Also types of exceptions, which some languages make long."""
MAX_REASON_CHARS: Final = 4_000
"""Reasons of ends and skips: lists show them."""
MAX_EXCEPTIONS: Final = 64
"""Exceptions of one execution."""
MAX_CAUSES: Final = 16
"""Causes below one exception: the longest chains people have seen in the wild hold about ten."""
MAX_FLOW_BLOCKS: Final = 1_000
"""Blocks, and stages, that one flow declares."""
MAX_ATTEMPT: Final = 1_000_000
"""Attempts of a transaction or an execution are numbered from 1 to this."""
MAX_INTEGER: Final = (1 << 63) - 1
"""Greatest integer anywhere, and minus it less one the least: what SQLite and BSON can hold."""
MAX_USAGE: Final = 1_000_000_000_000
"""Of one execution in one unit; its micro-units, which cells add up, stay within 63 bits."""
MAX_DECIMAL_CHARS: Final = 40
"""A transaction's value: 38 digits, as databases have them, with sign and point."""
MAX_EXECUTIONS: Final = 10_000
"""Executions kept per transaction: the smallest ids, with a `truncated` mark."""
MAX_PIECE_BYTES: Final = 1024 * 1024
"""A stored piece of a state; larger ones are not merged."""
MAX_PAGE_RECORDS: Final = 2_000
"""Records in one page of the journal."""
MAX_PAGE_BYTES: Final = 1024 * 1024
"""Records' canonical bytes in one page of the journal, unless a single record is larger."""
MAX_QUERY_CHARS: Final = 4_096
"""The text of one query."""
MAX_PAGE_SIZE: Final = 1_000
"""Items of one page of an answer."""
DEFAULT_PAGE_SIZE: Final = 50
"""Items of one page of an answer when nothing is said."""
MAX_INLINE_EXECUTIONS: Final = 1_000
"""Executions inside one transaction's answer; more come page by page."""
OLDEST_INSTANT_US: Final = 946_684_800_000_000
"""2000-01-01T00:00:00Z."""
NEWEST_INSTANT_US: Final = 7_258_118_400_000_000
"""2200-01-01T00:00:00Z, itself refused."""
