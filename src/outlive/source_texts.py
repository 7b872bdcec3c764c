"""The text of a batch's document, for whoever looks at its result: kept, or read again as the workers have read it."""

import asyncio
import platform
from dataclasses import dataclass, replace
from typing import Literal
from weakref import WeakKeyDictionary

from outlive.contracts.batches import BatchSpec
from outlive.documents.entries import is_url
from outlive.documents.reader import Reader
from outlive.errors import DocumentError
from outlive.ledger.browsing import BrowsedDocument

LONGEST_TEXT = 200_000  # characters: more than anybody reads in a page, and still quick to draw
READING_SECONDS = 10.0  # whoever looks waits for it
MOST_READ_AT_ONCE = 4  # whoever may look may let addresses be fetched: few at a time
_ROOM: "WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]" = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class SourceText:
    """What a document says.

    Attributes:
        text: None where it cannot be had; ``note`` says why.
        is_cut: Whether it is longer than what is shown.
        origin: ``source`` where the batch keeps the text itself, ``read`` where it was read again just now, ``none``.
        note: A sentence for a person.
    """

    text: str | None = None
    is_cut: bool = False
    origin: Literal["source", "read", "none"] = "none"
    note: str | None = None


async def source_text(spec: BatchSpec, document: BrowsedDocument) -> SourceText:
    """Return the text of a document: only of an address that the batch itself names, under its own reading options.

    An address that is not read in `READING_SECONDS` is given up. Paths of another machine are not read here: a file of
    the same name would be another one.
    """
    if document.text is not None:
        return _shown(document.text, origin="source")
    is_local = not is_url(document.uri) or document.uri[:5].lower() == "file:"
    if is_local and spec.machine not in {"", platform.node()}:
        return SourceText(note=f"The file lies on {spec.machine!r}, where the batch was started. It is not read here.")
    options = replace(spec.reading, attempts=1, timeout_seconds=min(spec.reading.timeout_seconds, READING_SECONDS))
    room = _ROOM.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(MOST_READ_AT_ONCE))
    try:
        async with asyncio.timeout(READING_SECONDS), room, Reader(options, machine=spec.machine) as reader:
            reading = await reader.read(document.uri)
    except TimeoutError:
        return SourceText(note=f"The document could not be read within {READING_SECONDS:.0f} s.")
    except DocumentError as error:
        return SourceText(note=error.reason)
    return _shown(reading.text, origin="read", note="Read just now: it may have changed since it was answered.")


def _shown(text: str, *, origin: Literal["source", "read"], note: str | None = None) -> SourceText:
    return SourceText(text=text[:LONGEST_TEXT], is_cut=len(text) > LONGEST_TEXT, origin=origin, note=note)
