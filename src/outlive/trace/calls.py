"""Activities as calls: which are a model's, which a tool's, what was given and what came of them."""

import json
from collections.abc import Sequence
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo

from outlive.trace.drafts import Drafts, moment
from outlive.trace.model import ENDED, Asked, Call, Failure, ModelCall, ToolCall
from outlive.trace.values import UnreadableValue, Values

AGENT_PREFIX = "agent__"
MODEL_OPERATIONS = (
    "model_request",
    "model_request_stream",
    "model_compact_messages",
    "model_cancel_suspended_response",
)
CALL_TOOL = "call_tool"
TOOLSET_KINDS = ("__toolset__", "__mcp_server__", "__function_toolset__", "__dynamic_toolset__")

LOCAL_ACTIVITY_MARKER = "core_local_activity"


class Calls:
    """Follows the activities of one run through its history."""

    def __init__(self, drafts: Drafts, values: Values) -> None:
        self._drafts = drafts
        self._values = values
        self._by_event: dict[int, str] = {}
        self._by_activity: dict[str, str] = {}

    def begin_run(self) -> None:
        """Forget the numbers of the workflow run before: the next begins with 1 again."""
        self._by_event.clear()
        self._by_activity.clear()

    async def scheduled(self, event: HistoryEvent) -> None:
        """Take an activity that the workflow has asked for."""
        given = event.activity_task_scheduled_event_attributes
        call_id = self._drafts.next_id()
        summary = await self.summary(event)
        common: dict[str, Any] = {
            "id": call_id,
            "state": "scheduled",
            "began_at": moment(event.event_time),
            "activity_id": given.activity_id,
            "activity_type": given.activity_type.name,
        }
        operation, toolset = _operation(given.activity_type.name)
        if operation in MODEL_OPERATIONS:
            model = summary.partition("request model: ")[2].removeprefix("function:")
            self._drafts.add(ModelCall(kind="model_call", name=operation, model=model, **common))
            await self._keep_messages(f"{call_id}.messages", given.input.payloads)
        elif operation == CALL_TOOL:
            self._drafts.add(await self._tool_call(event, toolset, summary, common))
        elif operation:
            named = f"{operation} of {toolset}" if toolset else operation
            self._drafts.add(ToolCall(kind="activity", name=named, toolset=toolset, **common))
        else:
            args = await self._values.values(f"{call_id}.args", given.input.payloads)
            self._drafts.add(ToolCall(kind="activity", name=given.activity_type.name, args=args, **common))
        self._by_event[event.event_id] = self._by_activity[given.activity_id] = call_id

    async def started(self, event: HistoryEvent) -> None:
        """Take the beginning of the last attempt: history has it only once it has ended."""
        given = event.activity_task_started_event_attributes
        call_id = self._by_event.get(given.scheduled_event_id)
        if call_id is None:
            return
        failures = given.attempt - 1
        failure = None
        if given.HasField("last_failure"):
            last = await self._values.readable(given.last_failure)
            failure = Failure(type=last.application_failure_info.type.strip() or "Failure", message=last.message)
        self._drafts.change(
            call_id,
            state="running",
            started_at=moment(event.event_time),
            attempts=given.attempt,
            failures=failures,
            failure=failure,
            worker=given.identity,
        )

    async def completed(self, event: HistoryEvent) -> None:
        """Take a result."""
        given = event.activity_task_completed_event_attributes
        if (call_id := self._by_event.get(given.scheduled_event_id)) is None:
            return
        call, payloads = self._drafts.get(call_id), given.result.payloads
        changes: dict[str, Any] = {"state": "done", "ended_at": moment(event.event_time)}
        if isinstance(call, ModelCall):
            changes |= await self._answer(call, payloads[0]) if payloads else {}
        elif not self._values.with_results:
            pass
        elif call.kind == "tool_call":
            changes |= await self.tool_result(f"{call_id}.result", payloads[0]) if payloads else {}
        else:
            changes["result"] = await self._values.values(f"{call_id}.result", payloads)
        self._drafts.change(call_id, **changes)

    async def failed(self, event: HistoryEvent) -> None:
        """Take the end of a call that is not made again."""
        given = event.activity_task_failed_event_attributes
        await self._failed(given.scheduled_event_id, "failed", event, given.failure)

    async def timed_out(self, event: HistoryEvent) -> None:
        """Take the end of a call that took too long."""
        given = event.activity_task_timed_out_event_attributes
        await self._failed(given.scheduled_event_id, "timed_out", event, given.failure)

    def cancelled(self, event: HistoryEvent) -> None:
        """Take the end of a call that was broken off."""
        given = event.activity_task_canceled_event_attributes
        if call_id := self._by_event.get(given.scheduled_event_id):
            self._drafts.change(call_id, state="cancelled", ended_at=moment(event.event_time))

    async def local(self, event: HistoryEvent, activity_type: str) -> None:
        """Take a local activity, of which history knows only the end."""
        given = event.marker_recorded_event_attributes
        call_id, at = self._drafts.next_id(), moment(event.event_time)
        failure = await self._values.failure(given.failure, at=at) if given.HasField("failure") else None
        returned = given.details["result"].payloads if self._values.with_results else []
        self._drafts.add(
            ToolCall(
                id=call_id,
                kind="activity",
                name=activity_type,
                state="failed" if failure else "done",
                began_at=at,
                ended_at=at,
                activity_id="",
                activity_type=activity_type,
                attempts=1,
                failures=1 if failure else 0,
                failure=failure,
                result=await self._values.values(f"{call_id}.result", returned),
                is_local=True,
            )
        )

    async def pending(self, pending: PendingActivityInfo) -> tuple[str, dict[str, Any]] | None:
        """Return the id of a call, and as changes of it what the engine knew while it had not ended.

        None where history says by now that it has.
        """
        call_id = self._by_activity.get(pending.activity_id)
        if call_id is None or self._drafts.get(call_id).state in ENDED:
            return None
        has_worker = pending.state != PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
        changes: dict[str, Any] = {"attempts": pending.attempt if has_worker else pending.attempt - 1}
        changes["failures"] = pending.attempt - 1
        changes["state"] = "running" if has_worker else "retrying" if pending.attempt > 1 else "scheduled"
        changes["worker"] = pending.last_worker_identity
        if pending.HasField("last_started_time"):
            changes["started_at"] = moment(pending.last_started_time)
        if changes["state"] == "retrying" and pending.HasField("next_attempt_schedule_time"):
            changes["next_at"] = moment(pending.next_attempt_schedule_time)
        if pending.HasField("last_failure"):
            at = moment(pending.last_attempt_complete_time) if pending.HasField("last_attempt_complete_time") else None
            changes["failure"] = await self._values.failure(pending.last_failure, at=at)
        return call_id, changes

    async def summary(self, event: HistoryEvent) -> str:
        """Return the one line that was given along with a command; nothing where it cannot be read."""
        if not event.user_metadata.HasField("summary"):
            return ""
        try:
            return str(await self._values.plain(event.user_metadata.summary))
        except UnreadableValue:
            return ""

    async def _failed(self, scheduled_event_id: int, state: str, event: HistoryEvent, failure: Any) -> None:
        if (call_id := self._by_event.get(scheduled_event_id)) is None:
            return
        call, at = self._drafts.get(call_id), moment(event.event_time)
        failures = max(call.attempts, 1) if isinstance(call, Call) else 1
        found = await self._values.failure(failure, at=at)
        self._drafts.change(call_id, state=state, ended_at=at, failures=failures, failure=found)

    async def _tool_call(self, event: HistoryEvent, toolset: str, summary: str, common: dict[str, Any]) -> ToolCall:
        payloads = event.activity_task_scheduled_event_attributes.input.payloads
        given = await self.tool_arguments(f"{common['id']}.args", payloads)
        named = given.pop("name") or summary.rpartition(":")[2] or toolset
        return ToolCall(kind="tool_call", name=named, toolset=toolset, **given, **common)

    async def _keep_messages(self, ref: str, payloads: Sequence[Payload]) -> None:
        """Keep what a model was given, for whoever wants just that: each call has the whole conversation so far."""
        if not self._values.wants(ref) or not payloads:
            return
        try:
            self._values.keep(ref, (await self._values.mapping(payloads[0])).get("messages"))
        except UnreadableValue as error:
            self._values.unreadable(ref, len(payloads[0].data), error)

    async def tool_arguments(self, ref: str, payloads: Sequence[Payload]) -> dict[str, Any]:
        """Return ``name``, ``args`` and ``tool_call_id`` of a tool call, from what its activity or child was given."""
        try:
            params = await self._values.mapping(payloads[0]) if payloads else {}
        except UnreadableValue as error:
            return {"name": "", "args": self._values.unreadable(ref, len(payloads[0].data), error)}
        context = params.get("serialized_run_context")
        return {
            "name": str(params.get("name") or ""),
            "args": self._values.keep(ref, params.get("tool_args")),
            "tool_call_id": str(context.get("tool_call_id") or "") if isinstance(context, dict) else "",
        }

    async def tool_result(self, ref: str, payload: Payload) -> dict[str, Any]:
        """Return ``result`` and ``verdict`` of a tool call, from what its activity or child returned."""
        try:
            found = await self._values.plain(payload)
        except UnreadableValue as error:
            return {"result": self._values.unreadable(ref, len(payload.data), error)}
        if not isinstance(found, dict) or "kind" not in found:
            return {"result": self._values.keep(ref, found)}
        content = found.get("result", found.get("message", found.get("metadata")))
        return {"result": self._values.keep(ref, content), "verdict": str(found["kind"])}

    async def _answer(self, call: ModelCall, payload: Any) -> dict[str, Any]:
        ref = f"{call.id}.text"
        try:
            answer = await self._values.mapping(payload)
        except UnreadableValue as error:
            return {"text": self._values.unreadable(ref, len(payload.data), error)}
        inner = answer.get("response")
        answer = inner if isinstance(inner, dict) else answer
        parts = [part for part in answer.get("parts") or [] if isinstance(part, dict)]
        usage = answer.get("usage") or {}
        text, thinking = _joined(parts, "text"), _joined(parts, "thinking")
        return {
            "model": answer.get("model_name") or call.model,
            "input_tokens": usage.get("input_tokens"),
            "output_tokens": usage.get("output_tokens"),
            "finish": answer.get("finish_reason"),
            "text": self._values.keep(ref, text) if text else None,
            "thinking": self._values.keep(f"{call.id}.thinking", thinking) if thinking else None,
            "asked": tuple(
                Asked(
                    tool=str(part.get("tool_name")),
                    tool_call_id=str(part.get("tool_call_id") or ""),
                    args=self._values.keep(f"{call.id}.asked.{number}", _loaded(part.get("args"))),
                )
                for number, part in enumerate((part for part in parts if part.get("part_kind") == "tool-call"), start=1)
            ),
        }


def local_activity(event: HistoryEvent) -> str | None:
    """Return the type of the local activity that a marker tells of; None for any other marker."""
    given = event.marker_recorded_event_attributes
    if given.marker_name != LOCAL_ACTIVITY_MARKER or not given.details["data"].payloads:
        return None
    try:  # written by Temporal's core, below any codec
        data = json.loads(given.details["data"].payloads[0].data)
    except ValueError:
        return None
    return str(data.get("activity_type") or "") if isinstance(data, dict) else None


def _operation(activity_type: str) -> tuple[str, str]:
    """Return what an agent's activity does, and the toolset it does it with; nothing for other activities."""
    if not activity_type.startswith(AGENT_PREFIX):
        return "", ""
    before, _, operation = activity_type.rpartition("__")
    for kind in TOOLSET_KINDS:
        _, found, toolset = before.partition(kind)
        if found:
            return operation, toolset
    return operation, ""


def _joined(parts: list[dict[str, Any]], kind: str) -> str:
    return "\n".join(
        str(part.get("content")) for part in parts if part.get("part_kind") == kind and part.get("content")
    )


def _loaded(args: Any) -> Any:
    if not isinstance(args, str):
        return args
    try:
        return json.loads(args)
    except ValueError:
        return args
