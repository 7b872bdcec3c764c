"""The outlines of runs that somebody looks at, kept between two looks."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine

from temporalio.client import Client

from outlive.errors import RunUnknown
from outlive.ledger.ledger import Ledger
from outlive.settings import Settings
from outlive.trace.details import child_of, entry_of, value_of
from outlive.trace.known import KnownRun
from outlive.trace.model import ENDED, ChildRun, Entry, Totals, Value
from outlive.trace.outline import Outline, Outliner
from outlive.trace.reading import DEEPEST, unfoldable
from outlive.trace.values import LARGEST_PREVIEW, Values

MOST_ENTRIES = 50_000  # of all runs that are kept: some 2 KB each
LOOK_SECONDS = 0.5  # between two looks of somebody who waits for a change
FIRST_LOOK_SECONDS = 0.05  # between two looks whether there is something to show already
CHILD_SECONDS = 30.0  # that a child run may take to be read before its parent is shown without it


class Outlines:
    """Reads outlines; of a run that was read before only what is new.

    However many ask for the same run at once, it is read once. The runs that were looked at least recently are
    forgotten, once all together have more than so many entries.
    """

    def __init__(
        self,
        temporal: Callable[[], Awaitable[Client]],
        settings: Settings,
        *,
        ledger: Ledger | None = None,
        most_entries: int = MOST_ENTRIES,
    ) -> None:
        """Say where to read.

        Args:
            temporal: Returns the connection to the engine.
            ledger: Of the project, open; without it, prices are not known.
        """
        self._temporal = temporal
        self._settings = settings
        self._ledger = ledger
        self._most_entries = most_entries
        self._followed: OrderedDict[str, _Followed] = OrderedDict()

    async def outline(self, workflow_id: str, *, since: str = "", within: float | None = None) -> Outline:
        """Return the outline of a run, of an agent or of any other workflow.

        Args:
            since: Cursor of an outline that was returned before: only changes are returned, where that is possible.
            within: Seconds after which what was read by then is returned. None reads to the end.

        Raises:
            RunUnknown: If there is no such workflow.
            RPCError: If the engine does not answer.
        """
        return (await self._fresh(workflow_id, within)).outliner.outline(since)

    async def changed(self, workflow_id: str, *, since: str, wait: float, within: float | None = None) -> Outline:
        """Return what has changed since a cursor; at once where something has, at the latest so many seconds later.

        Raises:
            RunUnknown: If there is no such workflow.
            RPCError: If the engine does not answer.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + wait
        while True:
            found = await self.outline(workflow_id, since=since, within=within)
            if found.cursor != since or clock() >= until:
                return found
            await asyncio.sleep(min(LOOK_SECONDS, max(0.0, until - clock())))

    def since(self, outline: Outline, cursor: str) -> Outline:
        """Return what has changed since a cursor, as it was read last; the outline where the run is forgotten."""
        followed = self._followed.get(outline.id)
        if followed is None or followed.outliner.head is None:
            return outline
        return followed.outliner.outline(cursor)

    async def entry(self, workflow_id: str, entry_id: str) -> tuple[Entry, str | None]:
        """Return an entry as a trace has it, and the key of its effect, where the ledger has one.

        Args:
            entry_id: As the outline has it; ``3/2`` is the second entry of the child run that the third one is.

        Raises:
            RunUnknown: If there is no such workflow.
            EntryUnknown: If it has no such entry.
            RPCError: If the engine does not answer.
        """
        known = (await self._with_item(workflow_id, entry_id)).known
        if (child := child_of(known, entry_id)) is not None:
            return await self.entry(child.workflow_id, entry_id.removeprefix(f"{child.id}/"))
        booked = known.booked(entry_id)
        entry = await entry_of(await self._temporal(), known, entry_id)
        return entry, booked.effect_key if booked else None

    async def value(self, workflow_id: str, ref: str) -> Value:
        """Return a value whole.

        Args:
            ref: As an outline or an entry has it; ``N.messages`` is the conversation that a model was given.

        Raises:
            RunUnknown: If there is no such workflow.
            EntryUnknown: If it has no such value.
            RPCError: If the engine does not answer.
        """
        known = (await self._with_item(workflow_id, ref.partition(".")[0])).known
        if (child := child_of(known, ref)) is not None:
            return await self.value(child.workflow_id, ref.removeprefix(f"{child.id}/"))
        return await value_of(await self._temporal(), known, ref)

    async def aclose(self) -> None:
        """End all reading."""
        tasks = [followed.task for followed in self._followed.values() if followed.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._followed.clear()

    async def _with_item(self, workflow_id: str, item_id: str) -> "_Followed":
        """Return a run as it is known, read anew only where it is not known to have the item, ended."""
        followed = self._followed.get(workflow_id)
        entry = followed.known.entries.get(item_id) if followed else None
        if followed is not None and entry is not None and entry.state in ENDED:
            self._followed.move_to_end(workflow_id)
            return followed
        return await self._fresh(workflow_id, None)

    async def _fresh(self, workflow_id: str, within: float | None, depth: int = 0) -> "_Followed":
        followed = self._followed.get(workflow_id)
        if followed is None:
            followed = self._followed[workflow_id] = _Followed(self._known(workflow_id), self._refresh)
        followed.depth = min(followed.depth, depth)
        self._followed.move_to_end(workflow_id)
        try:
            await followed.refreshed(within)
        except RunUnknown:
            self._followed.pop(workflow_id, None)
            raise
        self._forget()
        return followed

    def _known(self, workflow_id: str) -> KnownRun:
        def values(client: Client) -> Values:
            return Values(client.data_converter, largest=LARGEST_PREVIEW, with_results=False)

        return KnownRun(workflow_id, self._settings, values=values, ledger=self._ledger)

    def _forget(self) -> None:
        kept = sum(len(one.known.entries) for one in self._followed.values())
        for workflow_id, followed in list(self._followed.items())[:-1]:
            if kept <= self._most_entries:
                return
            if not followed.is_reading:
                kept -= len(followed.known.entries)
                del self._followed[workflow_id]

    async def _refresh(self, followed: "_Followed") -> None:
        await followed.known.refresh(await self._temporal(), on_change=followed.update)
        unfolded, followed.notes = unfoldable(followed.known.children(), followed.depth)
        for child in unfolded:
            if not (child.state in ENDED and child.id in followed.settled):
                await self._add_child(followed, child)
        followed.update()

    async def _add_child(self, followed: "_Followed", child: ChildRun) -> None:
        try:
            below = await self._fresh(child.workflow_id, CHILD_SECONDS, followed.depth + 1)
        except RunUnknown:
            followed.gone[child.id] = f"The child run {child.workflow_id!r} is gone, or was not started yet."
            return
        followed.gone.pop(child.id, None)
        if (head := below.outliner.head) is not None:
            followed.children[child.id] = head.totals
            if head.is_whole and head.health.is_closed:
                followed.settled.add(child.id)


class _Followed:
    """A run that is kept, and the reading of it that is under way.

    Attributes:
        depth: How many runs were above it, at the least, when it was looked at.
        children: What its child runs came to, by their entries.
        settled: Entries of child runs that have ended and are counted.
    """

    def __init__(self, known: KnownRun, refresh: "Callable[[_Followed], Coroutine[None, None, None]]") -> None:
        self.known = known
        self.outliner = Outliner(known, secrets.token_hex(4))
        self.depth = DEEPEST
        self.children: dict[str, Totals] = {}
        self.settled: set[str] = set()
        self.gone: dict[str, str] = {}
        self.notes: list[str] = []
        self.task: asyncio.Task[None] | None = None
        self._refresh = refresh
        self._began_at = 0.0

    @property
    def is_reading(self) -> bool:
        """Whether it is being read."""
        return self.task is not None and not self.task.done()

    def update(self) -> None:
        """Take up what was read."""
        self.outliner.update([*self.children.values()], [*self.notes, *self.gone.values()])

    async def refreshed(self, within: float | None) -> None:
        """Return once all is read that there is now, or so many seconds later with what was read by then."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        while True:
            task = self.task
            if task is not None and task.done() and self._began_at >= asked:
                return task.result()
            if task is None or task.done():
                task = self._begin(clock())
            await asyncio.wait({task}, timeout=None if within is None else self._patience(asked + within - clock()))
            if within is not None and clock() >= asked + within and not task.done() and self.outliner.head is not None:
                return None

    def _patience(self, left: float) -> float:
        """Return for how many seconds reading is waited for: until there is something to show, whatever is left."""
        return max(left, FIRST_LOOK_SECONDS if self.outliner.head is None else 0.0)

    def _begin(self, now: float) -> "asyncio.Task[None]":
        self._began_at = now
        self.task = asyncio.create_task(self._refresh(self))
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # who waits gets it raised
        return self.task
