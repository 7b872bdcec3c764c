"""A trace while it is being put together."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from outlive.trace.model import ENDED, Call, Entry, Value


def moment(timestamp: Timestamp) -> datetime:
    """Return a moment of Temporal's as one of Python's."""
    return timestamp.ToDatetime(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where in the histories of a run something stands.

    Attributes:
        run_id: Temporal's run id of the workflow run.
        events: Ids of the events of it that tell of it, in order.
    """

    run_id: str
    events: tuple[int, ...]


@dataclass(kw_only=True)
class TurnDraft:
    """A turn whose entries are still coming."""

    number: int
    said: Value | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    entry_ids: list[str] = field(default_factory=list)


def changed(entry: Entry, **changes: Any) -> Entry:
    """Return an entry with changes; one that ends gets its seconds."""
    if not changes:
        return entry
    entry = replace(entry, **changes)
    if entry.ended_at is None or entry.seconds is not None:
        return entry
    began = entry.began_at
    if isinstance(entry, Call) and entry.started_at is not None and entry.attempts <= 1:
        began = entry.started_at  # it may have waited long for a worker
    return replace(entry, seconds=max((entry.ended_at - began).total_seconds(), 0.0))


class Drafts:
    """The turns and entries so far, in order, each entry in its turn.

    Attributes:
        sources: Where each entry and turn stands, by id.
        turn_of: Id of the turn that an entry belongs to.
    """

    def __init__(self, prefix: str = "", *, first: int = 1) -> None:
        """Begin with nothing.

        Args:
            prefix: Begins every id.
            first: Number of the first entry.
        """
        self.prefix = prefix
        self.turns: list[TurnDraft] = []
        self.sources: dict[str, Source] = {}
        self.turn_of: dict[str, str] = {}
        self._entries: dict[str, Entry] = {}
        self._first = first
        self._open: dict[str, None] = {}
        self._touched: dict[str, None] = {}
        self._at = ("", 0)

    def at(self, run_id: str, event_id: int) -> None:
        """Say which event what follows is taken from."""
        self._at = (run_id, event_id)

    def saw(self, item_id: str, event_id: int | None = None) -> None:
        """Note that an event tells of an entry or a turn: the one that is being taken, where none is given."""
        run_id, current = self._at
        event = current if event_id is None else event_id
        known = self.sources.get(item_id)
        if known is None:
            self.sources[item_id] = Source(run_id=run_id, events=(event,))
        elif known.run_id == run_id and event not in known.events:
            self.sources[item_id] = Source(run_id=run_id, events=(*known.events, event))

    def take_touched(self) -> list[str]:
        """Return the ids of the entries and turns that have changed since the last call."""
        touched, self._touched = self._touched, {}
        return list(touched)

    def next_id(self) -> str:
        """Return the id of the next entry that is added."""
        return f"{self.prefix}{len(self._entries) + self._first}"

    def turn_id(self, number: int) -> str:
        """Return the id of a turn."""
        return f"{self.prefix}t{number}"

    def number(self, item_id: str) -> int:
        """Return the number of an entry; 1 for what is none."""
        number = item_id.removeprefix(self.prefix)
        return int(number) if number.isdecimal() else 1

    def open_turn(self, number: int, at: datetime | None, said: Value | None = None) -> TurnDraft:
        """Begin a turn: what is added from now on belongs to it."""
        turn = TurnDraft(number=number, said=said, began_at=at)
        self.turns.append(turn)
        self._touched[self.turn_id(number)] = None
        return turn

    def end_turn(self, at: datetime) -> None:
        """End the turn that began last, where it has not ended."""
        if self.turns and self.turns[-1].number and self.turns[-1].ended_at is None:
            self.turns[-1].ended_at = at
            self._touched[self.turn_id(self.turns[-1].number)] = None

    def begin_with(self, turn: TurnDraft, said: Value) -> None:
        """Say what a turn began with."""
        turn.said = said
        self._touched[self.turn_id(turn.number)] = None

    def turn(self, number: int) -> TurnDraft | None:
        """Return a turn that has begun."""
        return next((turn for turn in reversed(self.turns) if turn.number == number), None)

    def add(self, entry: Entry) -> None:
        """Add an entry to the turn that began last."""
        if not self.turns:
            self.open_turn(0, None)
        turn = self.turns[-1]
        turn.entry_ids.append(entry.id)
        self.turn_of[entry.id] = self.turn_id(turn.number)
        self._keep(entry)

    def get(self, entry_id: str) -> Entry:
        """Return an entry as it stands."""
        return self._entries[entry_id]

    def has(self, entry_id: str) -> bool:
        """Return whether there is such an entry."""
        return entry_id in self._entries

    def change(self, entry_id: str, **changes: Any) -> None:
        """Change an entry; one that ends gets its seconds."""
        self._keep(changed(self._entries[entry_id], **changes))

    def all(self) -> list[Entry]:
        """Return all entries in order."""
        return list(self._entries.values())

    def give_up_open(self, at: datetime, *kinds: type[Entry]) -> None:
        """Mark what has not ended as cancelled: its run is over."""
        for entry in self.open_entries():
            if isinstance(entry, kinds or Entry):
                self.change(entry.id, state="cancelled", ended_at=at)

    def open_entries(self) -> list[Entry]:
        """Return the entries that have not ended, in order."""
        return [self._entries[entry_id] for entry_id in self._open]

    def _keep(self, entry: Entry) -> None:
        self._entries[entry.id] = entry
        self._touched[entry.id] = None
        if entry.state in ENDED:
            self._open.pop(entry.id, None)
        else:
            self._open[entry.id] = None
        self.saw(entry.id)
