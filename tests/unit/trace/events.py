"""Histories written by hand."""

from datetime import UTC, datetime, timedelta

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.contrib.pydantic import pydantic_data_converter

from outlive.trace.building import TraceBuilder
from outlive.trace.values import Values

BEGAN = datetime(2026, 5, 1, tzinfo=UTC)
UNREADABLE = Payload(metadata={"encoding": b"binary/encrypted-by-somebody"}, data=b"\x00\x01")


def payload(value: object) -> Payload:
    return pydantic_data_converter.payload_converter.to_payload(value)


class History:
    """Events, one second apart."""

    def __init__(self) -> None:
        self.events: list[HistoryEvent] = []

    def add(self, kind: str, *, summary: str | None = None) -> object:
        """Add an event, and return its attributes to be filled in."""
        event = HistoryEvent(event_id=len(self.events) + 1)
        event.event_time.FromDatetime(BEGAN + timedelta(seconds=len(self.events)))
        if summary is not None:
            event.user_metadata.summary.CopyFrom(payload(summary))
        attributes = getattr(event, f"{kind}_event_attributes")
        attributes.SetInParent()
        self.events.append(event)
        return attributes

    def started(self, workflow_type: str, *arguments: object) -> None:
        given = self.add("workflow_execution_started")
        given.workflow_type.name = workflow_type
        given.input.payloads.extend(one if isinstance(one, Payload) else payload(one) for one in arguments)

    def scheduled(self, activity_type: str, *arguments: object, summary: str | None = None) -> int:
        given = self.add("activity_task_scheduled", summary=summary)
        given.activity_type.name = activity_type
        given.activity_id = str(len(self.events))
        given.input.payloads.extend(one if isinstance(one, Payload) else payload(one) for one in arguments)
        return len(self.events)

    def completed(self, scheduled: int, result: object) -> None:
        given = self.add("activity_task_completed")
        given.scheduled_event_id = scheduled
        given.result.payloads.append(result if isinstance(result, Payload) else payload(result))

    def noted(self, kind: str) -> None:
        given = self.add("marker_recorded", summary=kind)
        given.marker_name = "core_local_activity"
        given.details["data"].payloads.append(payload({"activity_type": "outlive_note_run"}))


async def built(history: History) -> TraceBuilder:
    builder = TraceBuilder(Values(pydantic_data_converter))
    builder.begin_run("run-1")
    for event in history.events:
        await builder.take(event)
    builder.count(len(history.events))
    return builder
