"""What a person should see of a run: the text of each call, without what failed attempts had said."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from outlive.contracts.events import EventKind, RunEvent

STARTS = frozenset({EventKind.MODEL_CALL_STARTED, EventKind.TOOL_STARTED})
ENDS = frozenset({EventKind.MODEL_CALL_ENDED, EventKind.TOOL_ENDED})
FAILURES = frozenset({EventKind.MODEL_CALL_FAILED, EventKind.TOOL_FAILED})

GAP = "[…]"
"""Stands in a text where its writer had to drop some of it."""


@dataclass(kw_only=True)
class CallText:
    """One model or tool call: what its last attempt has said so far.

    Attributes:
        events: Start, progress, end or failure of that attempt; deltas are in the texts instead.
    """

    call: str
    attempt: int = 1
    events: list[RunEvent] = field(default_factory=list)
    is_ended: bool = False
    is_failed: bool = False
    _text: list[str] = field(default_factory=list)
    _thinking: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What the model has answered."""
        return "".join(self._text)

    @property
    def thinking(self) -> str:
        """What the model has thought aloud."""
        return "".join(self._thinking)

    def add(self, event: RunEvent) -> None:
        """Take an event of the attempt."""
        if event.kind == EventKind.TEXT_DELTA:
            _join(self._text, event)
        elif event.kind == EventKind.THINKING_DELTA:
            _join(self._thinking, event)
        else:
            self.events.append(event)
            self.is_ended = event.kind in ENDS
            self.is_failed = event.kind in FAILURES


class Transcript:
    """Folds the events of one stream, in their order, into what a person should see.

    An event that was seen before changes nothing, so that a reader may begin a little before it left off; offset 0
    begins the whole anew.

    Attributes:
        calls: Each call by its key, in the order in which the calls began.
        next_offset: Where to go on reading.
    """

    def __init__(self, events: Iterable[RunEvent] = ()) -> None:
        self.calls: dict[str, CallText] = {}
        self.next_offset = 0
        for event in events:
            self.add(event)

    def add(self, event: RunEvent) -> CallText | None:
        """Take the next event; returns the call that it changed, or None where there is none.

        A higher attempt, and the same attempt started again, discards what was there of the call. Events of a lower
        attempt come from a worker that was given up, and are ignored.
        """
        if event.offset == 0:
            self.calls.clear()
        elif event.offset < self.next_offset:
            return None
        self.next_offset = event.offset + 1
        if event.call is None:
            return None
        found = self.calls.get(event.call)
        if found is not None and event.attempt < found.attempt:
            return None
        if found is None or event.attempt > found.attempt or event.kind in STARTS:
            found = self.calls[event.call] = CallText(call=event.call, attempt=event.attempt)
        found.add(event)
        return found


def _join(texts: list[str], event: RunEvent) -> None:
    if event.data.get("missed"):
        texts.append(GAP)
    texts.append(str(event.data.get("text", "")))
