"""The small local activity with which an agent's run tells its readers how it gets on."""

import json

from temporalio import activity

from outlive.contracts.agents import RunNote
from outlive.contracts.events import EventKind, NewEvent
from outlive.ledger.ledger import Ledger
from outlive.names import NOTE_RUN
from outlive.streams.writing import StreamWriter


class RunNotes:
    """Writes notes of runs into the event log, and answers, which may be long, into the ledger."""

    def __init__(self, ledger: Ledger, streams: StreamWriter) -> None:
        self._ledger = ledger
        self._streams = streams

    @activity.defn(name=NOTE_RUN)
    async def note_run(self, note: RunNote) -> None:
        """Write a note down; the same note again, after a crash, is known by its id."""
        workflow_id = activity.info().workflow_id or ""
        if note.kind == EventKind.TURN_ENDED and "output" in note.data:
            answer = json.dumps(note.data["output"])
            await self._ledger.call(self._ledger.effects.keep_answer, workflow_id, note.data["turn"], answer)
        self._streams.append(NewEvent(stream=workflow_id, kind=note.kind, note_id=note.note_id, data=note.data))
        await self._streams.flush()
