"""Events that wait to be written: deltas joined, memory bounded."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from outlive.contracts.events import EventKind, NewEvent
from outlive.streams.encoding import encode

LONGEST_PIECE = 8_192
"""Characters of text in one row; at most 6 bytes each in JSON, so that no delta is ever cut."""
LARGEST_QUEUE = 16_000_000
"""Characters that wait in memory while nothing can be written: an hour of a dozen models, and no more."""
KEPT_SHARE = 0.75  # what stays when the queue is full: each sweep makes room for many events
ROW_SIZE = 200  # characters that an event counts for besides its data

DELTAS = frozenset({EventKind.TEXT_DELTA, EventKind.THINKING_DELTA})
FLEETING = DELTAS | {EventKind.TOOL_PROGRESS}
"""What may be dropped first: it shows how something comes about, and is of no use once it has."""


@dataclass(kw_only=True)
class PendingEvent:
    """One row to be.

    Attributes:
        texts: Pieces of a delta's text, in place of ``data``.
        missed: How many events of the stream before this one were dropped.
        size: Characters that it counts for.
    """

    stream: str
    kind: str
    call: str | None
    attempt: int
    at: float
    data: str
    note_id: str | None
    texts: list[str]
    size: int
    missed: int = 0

    @property
    def is_ending(self) -> bool:
        """Whether the run is over with it."""
        return self.kind == EventKind.RUN_ENDED

    def encoded(self) -> str:
        """Return the data as JSON text."""
        if self.texts:
            text: dict[str, Any] = {"text": "".join(self.texts)}
            return encode(text | {"missed": self.missed} if self.missed else text)
        if not self.missed:
            return self.data
        return f'{{"missed":{self.missed}{"," if self.data != "{}" else ""}{self.data[1:]}'

    def takes(self, event: NewEvent, text: str) -> bool:
        """Return whether a delta can be joined to this one."""
        return (
            bool(self.texts)
            and (self.kind, self.call, self.attempt) == (event.kind, event.call, event.attempt)
            and self.size + len(text) <= LONGEST_PIECE
        )


class PendingEvents:
    """Events in the order in which they came. Not for two threads at once."""

    def __init__(self, largest: int = LARGEST_QUEUE) -> None:
        """Take up to ``largest`` characters; beyond, the oldest deltas are dropped, and then the oldest events."""
        self._largest = largest
        self._events: list[PendingEvent] = []
        self._last: dict[str, PendingEvent] = {}
        self._missed: dict[str, int] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: NewEvent, at: float) -> int:
        """Take an event, and return how many had to be dropped for it."""
        if event.kind in DELTAS and event.data.keys() == {"text"} and event.note_id is None:
            for piece in _pieces(str(event.data["text"])):
                self._add_text(event, at, piece)
        else:
            self._put(event, at, data=encode(event.data), texts=[])
        return self._drop() if self._size > self._largest else 0

    def take(self) -> list[PendingEvent]:
        """Return all that wait, which wait no longer."""
        taken = self._events
        self._events, self._last, self._size = [], {}, 0
        return taken

    def _add_text(self, event: NewEvent, at: float, text: str) -> None:
        last = self._last.get(event.stream)
        if last is not None and last.takes(event, text):
            last.texts.append(text)
            last.size += len(text)
            self._size += len(text)
        else:
            self._put(event, at, data="", texts=[text])

    def _put(self, event: NewEvent, at: float, *, data: str, texts: list[str]) -> None:
        size = ROW_SIZE + len(data) + sum(map(len, texts))
        pending = PendingEvent(
            stream=event.stream,
            kind=str(event.kind),
            call=event.call,
            attempt=event.attempt,
            at=at if event.at is None else event.at,
            data=data,
            note_id=event.note_id,
            texts=texts,
            size=size,
            missed=self._missed.pop(event.stream, 0),
        )
        self._events.append(pending)
        self._last[event.stream] = pending
        self._size += size

    def _drop(self) -> int:
        before = len(self._events)
        self._sweep(FLEETING)
        if self._size > self._largest * KEPT_SHARE:
            self._sweep(None)
        self._last.clear()
        return before - len(self._events)

    def _sweep(self, kinds: frozenset[str] | None) -> None:
        """Drop the oldest of these kinds (None: of all) until there is room; the next event tells how many."""
        kept: list[PendingEvent] = []
        missed: dict[str, int] = {}
        for pending in self._events:
            if self._size > self._largest * KEPT_SHARE and (kinds is None or pending.kind in kinds):
                missed[pending.stream] = missed.get(pending.stream, 0) + pending.missed + 1
                self._size -= pending.size
            else:
                pending.missed += missed.pop(pending.stream, 0)
                kept.append(pending)
        for stream, count in missed.items():
            self._missed[stream] = self._missed.get(stream, 0) + count
        self._events = kept


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), LONGEST_PIECE):
        yield text[start : start + LONGEST_PIECE]
