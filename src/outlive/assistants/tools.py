"""What an assistant may do: one method each, whose docstring and arguments are what it reads."""

import functools
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any, ParamSpec, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field, ValidationError
from temporalio.service import RPCError

from outlive.api.bodies import AgentRunBody, BatchBody, DocumentBody, PlanRunBody
from outlive.api.looking import batch_view, find_runs, handle_of, run_result, turn_result
from outlive.api.starting import app_view, start_agent, start_batch, start_plan
from outlive.api.views import (
    AppView,
    BatchView,
    HandOffView,
    ResultsPage,
    ResultView,
    RunView,
    StartedView,
    TurnView,
    documents_of,
)
from outlive.app import App
from outlive.client import Client
from outlive.engine.run_health import find_run
from outlive.errors import OutliveError, RunUnknown
from outlive.plan_runs import find_plan

P = ParamSpec("P")
R = TypeVar("R")

LONGEST_WAIT = 50.0  # seconds: assistants give a call up after a minute
Run = Annotated[str, Field(description="Id of the run: `agent/NAME/ID` as it was returned, or ID alone.")]
Wait = Annotated[float, Field(ge=0, le=LONGEST_WAIT, description="Seconds to wait for the end.")]
OwnId = Annotated[
    str | None, Field(description="An id of your own. Starting the same request again under it starts nothing new.")
]
Spend = Annotated[str, Field(description="The most that it may spend, such as `0.50usd`; empty for the declared one.")]


class RunList(BaseModel):
    """Runs, the latest first."""

    runs: list[RunView]


class HandOffList(BaseModel):
    """What waits for a person, what has waited longest first."""

    hand_offs: list[HandOffView]


class Tools:
    """The tools of one session.

    Attributes:
        client: Of the project; set when the session begins.
    """

    def __init__(self) -> None:
        self.client: Client

    async def list_app(self) -> AppView:
        """List the agents, plans and batch functions that can be started, with the inputs that they take."""
        return app_view(self.client)

    async def start_run(  # noqa: PLR0917 - each is named by the caller
        self,
        agent: Annotated[str, Field(description="Name of the agent.")],
        prompt: Annotated[str, Field(description="What it is asked.")],
        id: OwnId = None,  # noqa: A002 - what callers call it
        deps: Annotated[Any, Field(description="Its dependencies as JSON, where it takes any.")] = None,
        conversation: Annotated[bool, Field(description="Whether it takes further messages afterwards.")] = False,
        budget: Spend = "",
    ) -> StartedView:
        """Start a run of an agent. Returns at once with its id; ask `run_result` for what comes of it."""
        body = AgentRunBody(id=id, prompt=prompt, deps=deps, conversation=conversation, budget=budget)
        return await start_agent(self.client, agent, body, run_id=id)

    async def start_plan(
        self,
        plan: Annotated[str, Field(description="Name of the plan.")],
        input: Annotated[Any, Field(description="Its input as JSON.")] = None,  # noqa: A002 - what plans call it
        id: OwnId = None,  # noqa: A002
        shadow: Annotated[bool, Field(description="Rehearse it: effects are recorded, and not made.")] = False,
    ) -> StartedView:
        """Start a run of a plan: a procedure with effects. Returns at once with its id."""
        body = PlanRunBody(id=id, input=input, shadow=shadow)
        return await start_plan(self.client, plan, body, run_id=id)

    async def start_batch(  # noqa: PLR0917 - likewise
        self,
        function: Annotated[str, Field(description="Name of the batch function; `outlive.analyze` is always there.")],
        documents: Annotated[list[DocumentBody], Field(description="The documents: texts or web addresses.")],
        instruction: Annotated[str | None, Field(description="What to do with each of them.")] = None,
        model: Annotated[str | None, Field(description="In place of the default.")] = None,
        id: OwnId = None,  # noqa: A002
        budget: Spend = "",
    ) -> StartedView:
        """Let a model work through many documents. Returns at once with the id of the batch."""
        body = BatchBody(
            id=id, function=function, documents=documents, instruction=instruction, model=model, budget=budget
        )
        return await start_batch(self.client, body, batch_id=id)

    async def run_status(self, run: Run) -> RunView:
        """Tell where a run stands, what keeps it from moving, and what it asks."""
        return RunView.of(await handle_of(self.client, await self._whole(run)).status())

    async def run_result(self, run: Run, wait: Wait = 0) -> ResultView:
        """Return what a run ended with. Its `state` is `running` or `parked` where it has not ended: ask again then."""
        workflow_id = await self._whole(run)
        found = await run_result(self.client, workflow_id, wait=wait)
        return found or await self._not_ended(workflow_id)

    async def list_runs(
        self,
        kind: Annotated[str, Field(pattern="^(agent|plan)$", description="`agent` or `plan`.")] = "agent",
        name: Annotated[str | None, Field(description="Only those of this agent or plan.")] = None,
        state: Annotated[
            str | None, Field(description="Only these: running, parked, stuck, completed, failed, cancelled.")
        ] = None,
        limit: Annotated[int, Field(ge=1, le=200)] = 20,
    ) -> RunList:
        """List runs, the latest first."""
        states = [state] if state else []
        return RunList(runs=await find_runs(self.client, kind=kind, name=name, states=states, limit=limit))

    async def cancel_run(self, run: Run) -> RunView:
        """End a run as soon as its calls in flight can be broken off. What it has done is not taken back."""
        handle = handle_of(self.client, await self._whole(run))
        await handle.cancel()
        return RunView.of(await handle.status())

    async def send_message(
        self,
        run: Run,
        content: Annotated[str, Field(description="What is said.")],
        message_id: Annotated[str | None, Field(description="The same id again is the same message.")] = None,
        steer: Annotated[bool, Field(description="Let it join the turn that is being worked on.")] = False,
    ) -> TurnView:
        """Say something to a conversation, or to a run that is being worked on. `turn_result` has the answer."""
        handle = handle_of(self.client, await self._whole(run))
        return TurnView(turn=await handle.say(content, message_id=message_id, steer=steer))

    async def turn_result(
        self, run: Run, turn: Annotated[int, Field(ge=1, description="From `send_message`.")], wait: Wait = 0
    ) -> ResultView:
        """Return the answer of a turn of a conversation. Where its `state` is not `completed`, ask again."""
        workflow_id = await self._whole(run)
        found = await turn_result(self.client, workflow_id, turn, wait=wait)
        return found or await self._not_ended(workflow_id)

    async def list_hand_offs(
        self, agent: Annotated[str | None, Field(description="Only those of one agent.")] = None
    ) -> HandOffList:
        """List what waits for a person: approvals, questions, budgets, unknown outcomes, each with its choices."""
        found = [await self.client.desk.get(one.id) for one in await self.client.desk.list(agent=agent)]
        return HandOffList(hand_offs=[HandOffView.of(one) for one in found])

    async def answer_hand_off(
        self,
        hand_off_id: Annotated[str, Field(description="From `list_hand_offs`.")],
        choice: Annotated[str, Field(description="One of its choices.")],
        by: Annotated[str, Field(min_length=1, description="Name of the person who has decided.")],
        value: Annotated[Any, Field(description="What goes with it: an answer, edited arguments, a cap.")] = None,
        note: Annotated[str, Field(description="A word with it.")] = "",
    ) -> HandOffView:
        """Pass on what a person has decided. Never decide yourself: what waits here may do harm."""
        return HandOffView.of(await self.client.desk.decide(hand_off_id, choice, value=value, by=by, note=note))

    async def batch_status(
        self, batch: Annotated[str, Field(description="Id of the batch.")], wait: Wait = 0
    ) -> BatchView:
        """Tell where a batch stands: how many documents are done, failed, missing, and what it has cost."""
        return await batch_view(self.client, batch, wait=wait)

    async def batch_results(
        self,
        batch: Annotated[str, Field(description="Id of the batch.")],
        cursor: Annotated[int, Field(ge=0, description="`next` of the part before.")] = 0,
        limit: Annotated[int, Field(ge=1, le=200)] = 20,
    ) -> ResultsPage:
        """Return a part of a batch's results, in the order of its documents."""
        handle = await self.client.batch(batch)
        rows = await handle.results_page(start=cursor, limit=limit)
        end = cursor + limit
        return ResultsPage(
            items=documents_of(rows), next=str(end) if end < (await handle.record()).document_count else None
        )

    async def cancel_batch(self, batch: Annotated[str, Field(description="Id of the batch.")]) -> BatchView:
        """End a batch after the documents in flight. What is done stays."""
        await (await self.client.batch(batch)).cancel()
        return await batch_view(self.client, batch)

    async def _whole(self, run: str) -> str:
        """Return the whole id of a run of an agent or a plan."""
        temporal = await self.client.temporal()
        if run.startswith("plan/"):
            return await find_plan(temporal, run)
        try:
            return await find_run(temporal, run)
        except RunUnknown as unknown:
            try:
                return await find_plan(temporal, run)
            except RunUnknown:
                raise unknown from None

    async def _not_ended(self, workflow_id: str) -> ResultView:
        return ResultView(id=workflow_id, state=(await handle_of(self.client, workflow_id).status()).state)


def tools_of(tools: Tools) -> Iterator[tuple[Callable[..., Awaitable[Any]], ToolAnnotations]]:
    """Yield the tools of a session, each with what a client may tell its user of it."""
    looks = ToolAnnotations(read_only_hint=True)
    starts = ToolAnnotations(read_only_hint=False, destructive_hint=False)
    acts = ToolAnnotations(read_only_hint=False, destructive_hint=True)
    for look in (
        tools.list_app,
        tools.run_status,
        tools.run_result,
        tools.list_runs,
        tools.turn_result,
        tools.list_hand_offs,
        tools.batch_status,
        tools.batch_results,
    ):
        yield _told(look), looks
    for start in (tools.start_run, tools.start_batch, tools.send_message):
        yield _told(start), starts
    for act in (tools.start_plan, tools.cancel_run, tools.cancel_batch, tools.answer_hand_off):
        yield _told(act), acts


def described(app: App) -> str:
    """Return what the app has, for an assistant's first look."""
    registry = app.registry
    agents = [f"- {name}{_colon(getattr(agent, 'description', None))}" for name, agent in registry.agents.items()]
    plans = [f"- {name}{_colon(plan.summary)}" for name, plan in registry.plans.items()]
    functions = [f"- {name}{_colon(one.instruction)}" for name, one in registry.batches.items()]
    parts = [("Agents", agents), ("Plans", plans), ("Batch functions", functions)]
    return "\n".join(f"{title}:\n" + "\n".join(lines) for title, lines in parts if lines)


def _colon(text: str | None) -> str:
    first = (text or "").strip().partition("\n")[0]
    return f": {first}" if first else ""


def _told(tool: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Let the assistant read what has gone wrong, where it is an error of ours."""

    @functools.wraps(tool)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await tool(*args, **kwargs)
        except (OutliveError, ValidationError) as error:
            raise ToolError(str(error)) from error
        except RPCError as error:
            raise ToolError(f"The engine did not answer: {error.message}. Try again in some seconds.") from error

    return call
