"""A trace while it is being put together."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from outlive.trace.model import ENDED, Call, Entry, TraceTurn, Value


def moment(timestamp: Timestamp) -> datetime:
    """Return a moment of Temporal's as one of Python's."""
    return timestamp.ToDatetime(tzinfo=UTC)


@dataclass(kw_only=True)
class TurnDraft:
    """A turn whose entries are still coming."""

    number: int
    said: Value | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    entry_ids: list[str] = field(default_factory=list)


class Drafts:
    """The turns and entries so far, in order, each entry in its turn."""

    def __init__(self, prefix: str = "") -> None:
        """Begin with nothing; the prefix begins every id."""
        self.prefix = prefix
        self.turns: list[TurnDraft] = []
        self._entries: dict[str, Entry] = {}

    def next_id(self) -> str:
        """Return the id of the next entry that is added."""
        return f"{self.prefix}{len(self._entries) + 1}"

    def turn_id(self, number: int) -> str:
        """Return the id of a turn."""
        return f"{self.prefix}t{number}"

    def open_turn(self, number: int, at: datetime | None) -> TurnDraft:
        """Begin a turn: what is added from now on belongs to it."""
        turn = TurnDraft(number=number, began_at=at)
        self.turns.append(turn)
        return turn

    def turn(self, number: int) -> TurnDraft | None:
        """Return a turn that has begun."""
        return next((turn for turn in reversed(self.turns) if turn.number == number), None)

    def add(self, entry: Entry) -> None:
        """Add an entry to the turn that began last."""
        if not self.turns:
            self.open_turn(0, None)
        self._entries[entry.id] = entry
        self.turns[-1].entry_ids.append(entry.id)

    def get(self, entry_id: str) -> Entry:
        """Return an entry as it stands."""
        return self._entries[entry_id]

    def change(self, entry_id: str, **changes: Any) -> None:
        """Change an entry; one that ends gets its seconds."""
        entry = replace(self._entries[entry_id], **changes)
        if entry.ended_at is not None and entry.seconds is None:
            began = entry.began_at
            if isinstance(entry, Call) and entry.started_at is not None and entry.attempts <= 1:
                began = entry.started_at  # it may have waited long for a worker
            entry = replace(entry, seconds=max((entry.ended_at - began).total_seconds(), 0.0))
        self._entries[entry_id] = entry

    def all(self) -> list[Entry]:
        """Return all entries in order."""
        return list(self._entries.values())

    def give_up_open(self, at: datetime, *kinds: type[Entry]) -> None:
        """Mark what has not ended as cancelled: its run is over."""
        for entry in self.all():
            if entry.state not in ENDED and isinstance(entry, kinds or Entry):
                self.change(entry.id, state="cancelled", ended_at=at)

    def finished_turns(self) -> Iterator[TraceTurn]:
        """Yield the turns as the trace has them."""
        for turn in self.turns:
            yield TraceTurn(
                id=self.turn_id(turn.number),
                number=turn.number,
                said=turn.said,
                began_at=turn.began_at,
                ended_at=turn.ended_at,
                entries=tuple(self._entries[entry_id] for entry_id in turn.entry_ids),
            )
