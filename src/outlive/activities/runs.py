"""The small local activity with which an agent's run tells its readers how it gets on."""

from temporalio import activity

from outlive.contracts.agents import RunNote
from outlive.contracts.events import NewEvent
from outlive.names import NOTE_RUN
from outlive.streams.writing import StreamWriter


class RunNotes:
    """Writes notes of runs into the event log."""

    def __init__(self, streams: StreamWriter) -> None:
        self._streams = streams

    @activity.defn(name=NOTE_RUN)
    async def note_run(self, note: RunNote) -> None:
        """Write a note down; the same note again, after a crash, is told from another by its id."""
        workflow_id = activity.info().workflow_id or ""
        self._streams.append(NewEvent(stream=workflow_id, kind=note.kind, note_id=note.note_id, data=note.data))
        await self._streams.flush()
