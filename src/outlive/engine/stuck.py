"""Why an agent's run is stuck although workers are there, in plain words, and what to do about it."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from temporalio.api.failure.v1 import Failure
from temporalio.client import Client, WorkflowExecutionDescription

from outlive.engine.sealing import readable
from outlive.names import AGENT_WORKFLOW, split_agent_workflow_id

NONDETERMINISM = "[TMPRL1100]"
UNREGISTERED = "is not registered on this worker"
UNSERVED = "serves no agent"
_CALLED_TOOL = re.compile(r"call tool: (?P<toolset>.+):(?P<tool>[^:]+)")
_TYPES = re.compile(r"event '(?P<recorded>[^']+)'.*command '(?P<made>[^']+)'")
MOST_NAMED = 5

Tools = Mapping[str, AbstractSet[str]]
"""Of each agent the tools that it has, as ``TOOLSET:TOOL``; ``TOOLSET:*`` where a server has the list."""


def agent_of(description: WorkflowExecutionDescription) -> str | None:
    """Return the agent of a run; None for a workflow that is no agent's."""
    parts = split_agent_workflow_id(description.id)
    return parts[0] if parts and description.workflow_type == AGENT_WORKFLOW else None


def unserved(description: WorkflowExecutionDescription, served: Tools | None) -> str | None:
    """Return that the workers which are there do not have what the run needs, in one sentence.

    Args:
        served: What the workers serve, where that is known. Where it is not, calls that they refused tell.
    """
    agent = agent_of(description)
    if agent is None:
        return None
    if served is not None and agent not in served:
        return no_agent(agent, served)
    for pending in description.raw_description.pending_activities:
        if is_unregistered(pending.last_failure) and pending.activity_type.name.startswith("agent__"):
            if served is None:
                return no_agent(agent, served)
            return (
                f"No worker can make the call that agent {agent!r} waits for ({_plainly(pending.activity_type.name)}). "
                "Put back what was removed from the agent; the run then goes on by itself."
            )
    return None


def is_unregistered(failure: Failure) -> bool:
    """Whether a call failed since its worker does not have it."""
    return failure.application_failure_info.type == "NotFoundError" and UNREGISTERED in failure.message


def no_agent(agent: str, served: Tools | None) -> str:
    """Return that nobody serves an agent, and what to do."""
    others = "" if not served else f" (they serve {', '.join(repr(name) for name in sorted(served))})"
    return (
        f"No worker serves agent {agent!r}{others}. Put it back under this name into `App(agents=[...])`, or serve the "
        "app that has it with `outlive up MODULE:APP`: the run then goes on by itself. "
        "`outlive cancel` ends it instead."
    )


async def failing_code(client: Client, description: WorkflowExecutionDescription, served: Tools | None) -> str:
    """Return why the workflow's code fails again and again, and what to do."""
    attempt = description.raw_description.pending_workflow_task.attempt
    said, called = await _last_failure(client, description)
    agent = agent_of(description)
    if agent is not None and (UNSERVED in said or (UNREGISTERED in said and AGENT_WORKFLOW in said)):
        return no_agent(agent, served)
    if agent is not None and NONDETERMINISM in said:
        return _changed(agent, said, called, served)
    return (
        f"The workflow's code fails again and again (attempt {attempt}): {said} "
        "Mend the code; the run then goes on by itself."
    )


def _changed(agent: str, said: str, called: list[tuple[str, str]], served: Tools | None) -> str:
    known = (served or {}).get(agent)
    if known is not None:
        called = [one for one in called if not {f"{one[0]}:{one[1]}", f"{one[0]}:*"} & known]
    names = ", ".join(repr(tool) for _, tool in called[-MOST_NAMED:])
    if known is not None and called:
        some, them = ("a tool", "it") if len(called) == 1 else ("tools", "them")
        return (
            f"The run has called {some} that agent {agent!r} no longer has: {names}. Put {them} back; the run then "
            f"goes on by itself. `outlive cancel` ends it instead. (Temporal says: {said})"
        )
    types = _TYPES.search(said)
    where = ""
    if types:
        where = f": it made {_plainly(types['recorded'])} where the code now makes {_plainly(types['made'])}"
    tools = f" Tools that it has called: {names}." if names else ""
    return (
        f"The code of agent {agent!r} no longer does what the run has done before{where}.{tools} Put back the tool, or "
        "its parameters, as they were when the run called it; the run then goes on by itself. `outlive cancel` ends it "
        f"instead. (Temporal says: {said})"
    )


def _plainly(activity_type: str) -> str:
    """Return an activity's type as people read it."""
    if activity_type.endswith("__call_tool"):
        toolset = activity_type.rpartition("__toolset__")[2].removesuffix("__call_tool")
        return "a call of a tool" if toolset.startswith("<") else f"a call of a tool of {toolset!r}"
    if "__model_" in activity_type:
        return "a call of the model"
    return f"`{activity_type}`"


async def _last_failure(client: Client, description: WorkflowExecutionDescription) -> tuple[str, list[tuple[str, str]]]:
    """Return what the last failed task said, and the tools that the run has called: toolset and tool, each once."""
    handle = client.get_workflow_handle(description.id, run_id=description.run_id)
    said, summaries = "its worker says more in its log.", []
    async for event in handle.fetch_history_events():
        if event.HasField("workflow_task_failed_event_attributes"):
            failure = event.workflow_task_failed_event_attributes.failure
            said = (await readable(client.data_converter, failure)).message.rstrip(".") + "."
        elif event.activity_task_scheduled_event_attributes.activity_type.name.endswith("__call_tool"):
            summaries.append(event.user_metadata.summary)
    read: list[Any] = await client.data_converter.decode(summaries, [str] * len(summaries)) if summaries else []
    found = (_CALLED_TOOL.fullmatch(summary) for summary in read)
    return said, list(dict.fromkeys((one["toolset"], one["tool"]) for one in found if one))
