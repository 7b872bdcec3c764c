"""Calls that a person has to allow, and questions that only a person can answer."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, ToolApproved, ToolDefinition, ToolDenied
from pydantic_core import to_jsonable_python

from outlive.agents.host import RunHost
from outlive.contracts.agents import Choice, Decision, HandOffKind
from outlive.contracts.hand_offs import HandOffPolicy
from outlive.errors import UsageError
from outlive.models.json_schema import SchemaChecker

MOST_FAULTS = 3  # that a person is told of at once
LONGEST_ARGUMENTS = 200  # characters in the one line that says what is asked


@dataclass(frozen=True, kw_only=True)
class Denied:
    """A call that was not allowed.

    Attributes:
        message: What the model is told.
        by: Who denied it.
    """

    message: str
    by: str


async def approval_of(
    host: RunHost,
    tool_def: ToolDefinition,
    args: dict[str, Any],
    reason: str = "",
    *,
    policy: HandOffPolicy | None = None,
) -> dict[str, Any] | Denied:
    """Wait until a person, or a rule of one, allows a call, maybe with other arguments, or denies it.

    Args:
        host: The workflow of the run.
        reason: Why it is asked for; the call itself is told anyway.
        policy: When to remind, escalate and expire.

    Returns:
        The arguments to call the tool with, JSON.
    """
    given = to_jsonable_python(args)
    schema = tool_def.parameters_json_schema
    decision = await host.ask(
        reason or f"The agent asks to call {_written(tool_def.name, given)}.",
        choices=[Choice.APPROVE, Choice.DENY, Choice.STOP],
        subject=tool_def.name,
        kind=HandOffKind.APPROVAL,
        about={"tool": tool_def.name, "args": given, "schema": schema},
        policy=policy,
        check=lambda decision: _fault_of_edit(schema, decision),
    )
    if decision.choice == Choice.APPROVE:
        return given if decision.value is None else dict(decision.value)
    by = f" by {decision.by}" if decision.by else ""
    message = decision.note or (decision.value if isinstance(decision.value, str) else "")
    return Denied(message=message or f"The call was denied{by}.", by=decision.by)


async def answer_deferred(
    host: RunHost, ctx: RunContext[Any], requests: DeferredToolRequests, policy: HandOffPolicy | None
) -> DeferredToolResults:
    """Hand off each call of an answer that waits for a person, side by side, and return what was decided."""

    async def approved(call: ToolCallPart) -> ToolApproved | ToolDenied:
        reason = _reason(requests, call)
        allowed = await approval_of(host, _definition(ctx, call), call.args_as_dict(), reason, policy=policy)
        return ToolDenied(allowed.message) if isinstance(allowed, Denied) else ToolApproved(override_args=allowed)

    async def answered(call: ToolCallPart) -> Any:
        decision = await _question(host, ctx, requests, call, policy)
        if decision.choice == Choice.ANSWER:
            return decision.value
        return ToolFailed(decision.note or "Nobody answered.")

    verdicts, answers = await asyncio.gather(
        asyncio.gather(*(approved(call) for call in requests.approvals)),
        asyncio.gather(*(answered(call) for call in requests.calls)),
    )
    return requests.build_results(
        approvals={call.tool_call_id: verdict for call, verdict in zip(requests.approvals, verdicts, strict=True)},
        calls={call.tool_call_id: answer for call, answer in zip(requests.calls, answers, strict=True)},
    )


async def _question(
    host: RunHost,
    ctx: RunContext[Any],
    requests: DeferredToolRequests,
    call: ToolCallPart,
    policy: HandOffPolicy | None,
) -> Decision:
    args = call.args_as_dict()
    schema = requests.metadata.get(call.tool_call_id, {}).get("schema") or _definition(ctx, call).return_schema
    asked = args.get("question") if isinstance(args.get("question"), str) else None
    return await host.ask(
        asked or _reason(requests, call) or f"The agent asks: {_written(call.tool_name, args)}.",
        choices=[Choice.ANSWER, Choice.TELL, Choice.STOP],
        subject=call.tool_name,
        kind=HandOffKind.QUESTION,
        about={"tool": call.tool_name, "args": args, "schema": schema},
        policy=policy,
        check=lambda decision: _fault_of_answer(schema, decision),
    )


def _definition(ctx: RunContext[Any], call: ToolCallPart) -> ToolDefinition:
    found = ctx.tool_manager.get_tool_def(call.tool_name) if ctx.tool_manager is not None else None
    return found or ToolDefinition(name=call.tool_name)


def _reason(requests: DeferredToolRequests, call: ToolCallPart) -> str:
    reason = requests.metadata.get(call.tool_call_id, {}).get("reason")
    return reason if isinstance(reason, str) else ""


def _fault_of_edit(schema: dict[str, Any], decision: Decision) -> str | None:
    """Return what is wrong with the arguments that a person has edited."""
    if decision.choice != Choice.APPROVE or decision.value is None:
        return None
    if not isinstance(decision.value, dict):
        return f"The arguments have to be a JSON object, not {_short(decision.value)}."
    known = schema.get("properties", {})
    if schema.get("additionalProperties") is False and (unknown := sorted(decision.value.keys() - known.keys())):
        return f"The tool takes no {', '.join(map(repr, unknown))}. It takes: {', '.join(known)}."
    return _fault("The arguments do not fit the tool", schema, decision.value)


def _fault_of_answer(schema: dict[str, Any] | None, decision: Decision) -> str | None:
    """Return what is wrong with an answer."""
    if decision.choice != Choice.ANSWER:
        return None
    if decision.value is None and not schema:
        return "The answer is missing."
    return _fault("The answer does not fit what was asked", schema, decision.value) if schema else None


def _fault(what: str, schema: dict[str, Any], value: Any) -> str | None:
    try:
        faults = SchemaChecker(schema).faults(value)
    except UsageError:  # a keyword that we cannot check: the tool's own validation tells
        return None
    return f"{what}: {'; '.join(faults[:MOST_FAULTS])}." if faults else None


def _written(tool: str, args: dict[str, Any]) -> str:
    return f"{tool}({_short(args)})"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_ARGUMENTS else f"{text[:LONGEST_ARGUMENTS]}…"
