"""XML as a stream: elements and their attributes, in bounded memory, without anything a document could smuggle in.

A document type declaration is refused whatever it declares, so there are no entities to expand or to fetch; an element
that is longer than a record may be is the end of the file's reading.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NoReturn
from xml.parsers import expat

from flowtrail.intake.importers.problems import Unreadable

MAX_ELEMENT_BYTES: Final = 64 * 1024 * 1024
"""Between two elements: what is said of one transaction stands in one attribute, the links of a large batch too."""
_FED_BYTES: Final = 64 * 1024

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]


def parse_elements(chunks: Iterable[bytes], start: Start, end: End) -> Iterator[int]:
    """Tells every element's local name and attributes, and its end; gives the line reached, after every piece.

    Raises: Unreadable (not XML, a document type, an element too long), and whatever the chunks raise.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = False
    fed = reached = 0

    def behind() -> int:
        return fed - reached

    def started(name: str, attributes: dict[str, str]) -> None:
        nonlocal reached
        reached = parser.CurrentByteIndex
        start(name.rpartition(":")[2], attributes)

    parser.StartElementHandler = started
    parser.EndElementHandler = lambda name: end(name.rpartition(":")[2])
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        for piece in _pieces(chunks, behind):
            parser.Parse(piece, False)
            fed += len(piece)
            if behind() > MAX_ELEMENT_BYTES:
                message = (
                    f"line {parser.CurrentLineNumber}: an element is longer than {MAX_ELEMENT_BYTES} bytes"
                )
                raise Unreadable(None, message)
            yield parser.CurrentLineNumber
        parser.Parse(b"", True)
        yield parser.CurrentLineNumber
    except expat.ExpatError as error:
        raise Unreadable(None, f"this is not well-formed XML: {error}") from None
    except (LookupError, ValueError) as error:
        if reached:
            raise  # none of the parser's
        # What the document declares itself to be in, before its first element.
        raise Unreadable(
            None,
            f"the encoding of the file is not read: {error}",
            None,
            "UTF-8, UTF-16 or one of single bytes",
        ) from None


def _pieces(chunks: Iterable[bytes], behind: Callable[[], int]) -> Iterator[bytes]:
    """What to parse at once. The parser looks at an element without an end from its beginning each time: pieces as
    long as what it has of that already keep this in proportion."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= (size := max(_FED_BYTES, behind())):
            yield bytes(waiting[:size])
            del waiting[:size]
    yield bytes(waiting)


def _refuse_doctype(*_: object) -> NoReturn:
    raise Unreadable(None, "the file has a document type declaration, which XES has no use for", None, "none")
