"""What is known of one run: read once, and from then on only what is new.

Workflow runs that have ended never change, so what was made of them is kept; of the newest one the events behind the
last one that is known are read. What changes without an event (calls in flight, the ledger) is laid over that anew.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError, RPCStatusCode

from outlive.engine.run_health import RunHealth, health_of
from outlive.errors import LedgerError, RunUnknown
from outlive.ledger.ledger import Ledger
from outlive.settings import Settings
from outlive.trace.bookkeeping import Booked, Books, additions
from outlive.trace.building import TraceBuilder
from outlive.trace.drafts import TurnDraft, changed
from outlive.trace.histories import ANSWER_TIMEOUT, Histories, last_certain
from outlive.trace.model import Call, ChildRun, Entry
from outlive.trace.values import Values

SLICE_SECONDS = 0.005  # after which others on the event loop have their turn
SHOW_SECONDS = 0.25  # after which what was read so far is shown, while a long run is being read


def ignore() -> None:
    """Take no notice."""


_CLOSING = frozenset(
    f"workflow_execution_{ending}_event_attributes"
    for ending in ("completed", "failed", "canceled", "terminated", "timed_out", "continued_as_new")
)


class KnownRun:
    """A run as far as it was read.

    Attributes:
        health: What the engine said last; None before the first `refresh`.
        entries: As they stand, by id, in order.
        changes: In which version each entry and turn was changed last, by id.
        version: Counts the changes. A change of anything else is not counted.
        generation: Counts how often all was read anew: another run has the id, or the run was reset.
        is_whole: Whether everything up to the newest event was read.
    """

    def __init__(
        self,
        workflow_id: str,
        settings: Settings,
        *,
        values: Callable[[Client], Values],
        ledger: Ledger | None = None,
        prefix: str = "",
    ) -> None:
        """Begin with nothing read.

        Args:
            values: Makes what payloads become.
            ledger: Of the project; without it, prices are not known.
            prefix: Begins every id.
        """
        self.workflow_id = workflow_id
        self.health: RunHealth | None = None
        self.builder: TraceBuilder
        self.generation = 0
        self.namespace = ""
        self._settings = settings
        self._make_values = values
        self._ledger = ledger
        self._prefix = prefix
        self._begin_anew(None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read, in sentences."""
        return (*self.builder.notes, *self._trouble)

    @property
    def run_id(self) -> str:
        """Temporal's run id of the newest workflow run."""
        return self._head

    def turn(self, turn_id: str) -> TurnDraft | None:
        """Return a turn by its id."""
        return next((turn for turn in self.turns() if self.builder.drafts.turn_id(turn.number) == turn_id), None)

    def turns(self) -> Sequence[TurnDraft]:
        """Return the turns in order."""
        return self.builder.drafts.turns

    def booked(self, entry_id: str) -> Booked | None:
        """Return what the ledger has of a call."""
        return self._booked.get(entry_id)

    def children(self) -> list[ChildRun]:
        """Return the child workflows."""
        return [entry for entry in self.entries.values() if isinstance(entry, ChildRun)]

    async def refresh(self, client: Client, *, on_change: Callable[[], None] = ignore) -> None:
        """Read what is new. One call at a time; one that fails leaves known what was read.

        Args:
            on_change: Called at the end, and now and then while a long run is being read.

        Raises:
            RunUnknown: If there is no such workflow.
            RPCError: If the engine does not answer.
        """
        description = await self._described(client)
        self.namespace = client.namespace
        histories = Histories(client, self.workflow_id)
        head = description.run_id or ""
        if head != self._head:
            await self._take_up(client, histories, head)
        await self._read(histories, description, on_change)
        await self._lay_over(description)
        if self._is_closed and self.health is not None and not self.health.is_closed:
            await self._described(client)  # it has ended since it was asked for
        self.is_whole = True
        on_change()

    async def _described(self, client: Client) -> WorkflowExecutionDescription:
        try:
            description = await client.get_workflow_handle(self.workflow_id).describe(rpc_timeout=ANSWER_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise RunUnknown(
                f"There is no run {self.workflow_id!r}. `outlive runs` lists those of this project."
            ) from error
        self.health = await health_of(client, self._settings, description)
        return description

    def _begin_anew(self, client: Client | None) -> None:
        self.entries: dict[str, Entry] = {}
        self.changes: dict[str, int] = {}
        self.version = 0
        self.is_whole = False
        self._head: str = ""
        self._ahead: list[str] = []
        self._reading = ""
        self._is_closed: bool = False
        self._certain = self._count = self._length = 0
        self._booked: dict[str, Booked] = {}
        self._pending: dict[str, dict[str, Any]] = {}
        self._trouble: list[str] = []
        self._books = Books(self._ledger, self.workflow_id) if self._ledger is not None else None
        if client is not None:
            self.builder = TraceBuilder(self._make_values(client), prefix=self._prefix)
            self.generation += 1

    async def _take_up(self, client: Client, histories: Histories, head: str) -> None:
        """Find the workflow runs that are still to be read."""
        chain = await histories.chain(head, behind=self._head)
        if not chain.reaches:
            self._begin_anew(client)
            if chain.is_cut:
                self.builder.note("The beginning is gone: the engine keeps finished parts of a run only for a time.")
        self._ahead += chain.run_ids
        self._head = head

    async def _read(
        self, histories: Histories, description: WorkflowExecutionDescription, on_change: Callable[[], None]
    ) -> None:
        shown_at = time.monotonic()
        is_newest = not self._ahead
        if self._reading and not self._is_closed and not (is_newest and description.history_length == self._length):
            length, self._length = description.history_length if is_newest else 0, -1
            await self._take_all(await self._behind(histories, length))
        while self._ahead:
            self._length = -1
            self._reading = run_id = self._ahead.pop(0)
            self._certain = self._count = 0
            self._is_closed = False
            self.builder.begin_run(run_id)
            try:
                async for page in histories.pages(run_id):
                    await self._take_all(page)
                    if time.monotonic() - shown_at > SHOW_SECONDS and not self.is_whole:
                        await self._lay_over(description)
                        on_change()
                        shown_at = time.monotonic()
            except RPCError as error:
                self._note_gone(error)
        self._length = description.history_length

    async def _behind(self, histories: Histories, length: int) -> Sequence[HistoryEvent]:
        try:
            return await histories.behind(self._reading, self._certain, length=length)
        except RPCError as error:
            self._note_gone(error)
            return []

    def _note_gone(self, error: RPCError) -> None:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise error
        self.builder.note(
            f"A part is gone, from {self._count} events on: the engine no longer has workflow run {self._reading!r}."
        )

    async def _take_all(self, events: Sequence[HistoryEvent]) -> None:
        due = time.monotonic() + SLICE_SECONDS
        for event in events:
            await self.builder.take(event)
            self._certain = last_certain([event], self._certain)
            self._count = event.event_id
            if time.monotonic() > due:
                await asyncio.sleep(0)
                due = time.monotonic() + SLICE_SECONDS
        if events:
            self._is_closed = events[-1].WhichOneof("attributes") in _CLOSING
        self.builder.count(self._count)

    async def _lay_over(self, description: WorkflowExecutionDescription) -> None:
        """Bring the entries up to date: with history, calls in flight, and the ledger."""
        found = [await self.builder.calls.pending(one) for one in description.raw_description.pending_activities]
        pending = dict(one for one in found if one is not None)
        concerned = dict.fromkeys([*self._pending, *pending])
        self._pending, self._trouble = pending, []
        if self._books is not None:
            try:
                concerned.update(dict.fromkeys(await self._books.read()))
            except LedgerError as error:
                self._trouble = [f"Prices are not known: {error}"]
        version = self.version + 1
        drafts = self.builder.drafts
        for item_id in sorted({*drafts.take_touched(), *concerned}, key=_order):
            if not drafts.has(item_id) or self._update(item_id):
                self.changes[item_id] = self.version = version

    def _update(self, entry_id: str) -> bool:
        """Bring one entry up to date; return whether it has changed."""
        entry = changed(self.builder.drafts.get(entry_id), **self._pending.get(entry_id, {}))
        booked = self._books.of(entry) if self._books is not None and isinstance(entry, Call) else None
        if booked is not None and isinstance(entry, Call):
            entry = changed(entry, **additions(entry, booked))
        if entry == self.entries.get(entry_id) and booked == self._booked.get(entry_id):
            return False
        self.entries[entry_id] = entry
        if booked is not None:
            self._booked[entry_id] = booked
        return True


def _order(item_id: str) -> tuple[int, int]:
    """Order entries as they began; turns before them, as they began too."""
    number = item_id.rpartition("/")[2]
    return (1, int(number)) if number.isdecimal() else (0, int(number.removeprefix("t")))


def began_of(known: KnownRun) -> datetime | None:
    """Return when a run began: its oldest workflow run that is left."""
    parts = known.builder.parts
    return parts[0].began_at if parts else known.health.started_at if known.health else None
