"""The small local activity with which an agent's run tells its readers how it gets on. It never holds a run up."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Self

from temporalio import activity

from outlive.activities.telling import Teller
from outlive.contracts.agents import RunNote
from outlive.contracts.events import EventKind, NewEvent
from outlive.contracts.notifications import Occurrence
from outlive.ledger.ledger import Ledger
from outlive.names import NOTE_RUN
from outlive.notify.events import result_data
from outlive.streams.writing import StreamWriter

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 2.0  # a run waits for its bookkeeping so long, and then no longer; well below the note's timeout
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
MOST_KEPT = 1_000  # answers that wait in memory for a ledger that takes nothing


class RunNotes:
    """Writes notes of runs into the event log, and answers, which may be long, into the ledger.

    A ledger or an event log that takes nothing (a full disk, a lock that is never let go) is tried again behind the
    run's back for as long as this worker lives, with one warning in its log.
    """

    def __init__(self, ledger: Ledger, streams: StreamWriter, teller: Teller) -> None:
        self._ledger = ledger
        self._teller = teller
        self._streams = streams
        self._writing: set[asyncio.Task[object]] = set()
        self._trouble: str | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Stop; what could not be written until now is lost."""
        for task in self._writing:
            task.cancel()
        await asyncio.gather(*self._writing, return_exceptions=True)

    @activity.defn(name=NOTE_RUN)
    async def note_run(self, note: RunNote) -> None:
        """Write a note down; the same note again, after a crash, is known by its id."""
        workflow_id = activity.info().workflow_id or ""
        if note.kind == EventKind.TURN_ENDED and "output" in note.data:
            answer = json.dumps(note.data["output"])
            keeping = partial(
                self._ledger.call, self._ledger.effects.keep_answer, workflow_id, note.data["turn"], answer
            )
            await self._patiently(self._keep(keeping))
        if note.kind in _TOLD:
            await self._patiently(self._keep(partial(self._tell, note)))
        self._streams.append(NewEvent(stream=workflow_id, kind=note.kind, note_id=note.note_id, data=note.data))
        await self._patiently(self._streams.flush())

    async def _patiently(self, writing: Coroutine[Any, Any, object]) -> None:
        """Wait for something to be written, but not long; it goes on by itself."""
        task = asyncio.create_task(writing)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        await asyncio.wait({task}, timeout=PATIENCE_SECONDS)

    async def _tell(self, note: RunNote) -> None:
        """Write into the outbox what the note is to those who are told of the run."""
        data = note.data
        match note.kind:
            case EventKind.TURN_STARTED if data.get("turn") == 1:
                await self._teller.tell_here(Occurrence.STARTED, {})
            case EventKind.RUN_STARTED:
                await self._teller.tell_here(Occurrence.STARTED, {})
            case EventKind.TURN_ENDED if "output" in data and await self._teller.is_conversation():
                told = {"turn": data["turn"], **result_data(data["output"])}
                await self._teller.tell_here(Occurrence.PROGRESS, told, key=note.note_id)
            case EventKind.RUN_ENDED if "error" in data:
                await self._teller.tell_here(Occurrence.FAILED, {"error": data["error"]})
            case EventKind.RUN_ENDED:
                usage = {"usage": data["usage"]} if data.get("usage") else {}
                await self._teller.tell_here(Occurrence.COMPLETED, result_data(data.get("output")) | usage)

    async def _keep(self, write: Callable[[], Awaitable[object]]) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await write()
            except Exception as error:  # noqa: BLE001 - whatever a database fails with must not end or stop a run
                if self._trouble != str(error):
                    logger.warning("Bookkeeping of a run was refused and is tried again", extra={"reason": str(error)})
                self._trouble = str(error)
                if len(self._writing) > MOST_KEPT:
                    return
            else:
                self._trouble = None
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


_TOLD = frozenset({EventKind.TURN_STARTED, EventKind.RUN_STARTED, EventKind.TURN_ENDED, EventKind.RUN_ENDED})
