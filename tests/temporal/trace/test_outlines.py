"""Outlines: what is read on is the same as what is read anew."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from engines import fresh, until
from outlive import App, Durable, SubAgents
from outlive.client import Client
from outlive.encryption.keys import generate_key
from outlive.errors import EntryUnknown, RunUnknown
from outlive.trace.outline import LONGEST_SUMMARY, Outline
from temporal.agents.conftest import serving
from temporal.trace.gated import Gated
from temporal.trace.pages import Page, anew, outlines_of, plain


async def test_what_has_changed_since_gives_the_same_as_reading_anew_at_every_step_of_a_chain(served):
    gated = Gated(times=8)
    client = await served(App("test", agents=[gated.agent]))
    handle = await gated.start(client, events_per_run=40)
    page = Page(client, handle.workflow_id)

    for step in range(1, 9):
        await gated.is_at(step)
        assert plain(await page.look()) == await anew(client, handle.workflow_id)
        gated.permit()
    await handle.result()
    last = plain(await page.look())

    assert last == await anew(client, handle.workflow_id)
    assert len(last.parts) > 2
    assert [row.kind for row in last.entries] == [*["model_call", "tool_call"] * 8, "model_call"]
    assert (last.health.state, last.entries[-1].summary) == ("completed", "8 steps")
    assert len(page.got) == 8
    assert all(len(delta.entries) <= 4 for delta in page.got)
    assert (await page.outlines.outline(handle.workflow_id, since=page.cursor)).entries == []


async def test_the_same_numbers_stand_in_an_outline_and_in_a_trace(served, read):
    gated = Gated(times=2)
    client = await served(App("test", agents=[gated.agent]))
    handle = await gated.start(client)
    gated.permit(2)
    await handle.result()

    outline, trace = await outlines_of(client).outline(handle.workflow_id), await read(client, handle.workflow_id)

    assert (outline.totals, outline.parts) == (trace.totals, [*trace.parts])
    assert outline.totals.model_calls == 3
    rows = [(row.id, row.name, row.seconds, row.attempts, row.usd_nanos) for row in outline.entries]
    assert rows == [
        (entry.id, entry.name, entry.seconds, entry.attempts, getattr(entry, "usd_nanos", None))
        for entry in trace.entries()
    ]
    assert [row.ledger_state for row in outline.entries] == ["done"] * 5
    assert outline.entries[1].summary == "number=0"
    assert {row.turn for row in outline.entries} == {"t1"}


async def test_a_reset_run_is_read_anew_and_what_is_known_is_given_up(served):
    gated = Gated(times=3)
    client = await served(App("test", agents=[gated.agent]))
    handle = await gated.start(client)
    page = Page(client, handle.workflow_id)
    gated.permit(2)
    await gated.is_at(3)
    before = await page.look()

    await reset(client, handle.workflow_id)
    await until(lambda: gated.entered >= 4, "the run goes on from where it was reset to")
    gated.permit(5)
    await (await client.run("run", agent=gated.agent.name)).result()
    after = await page.look()

    assert page.got == []  # no delta: the second outline was a whole one
    assert after.parts[0].id != before.parts[0].id
    assert plain(after) == await anew(client, handle.workflow_id)
    assert after.health.state == "completed"


async def reset(client: Client, workflow_id: str) -> None:
    """Reset a run to the first workflow task that follows on its first tool call."""
    temporal = await client.temporal()
    handle = temporal.get_workflow_handle(workflow_id)
    tasks = [
        event.event_id
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    request = ResetWorkflowExecutionRequest(
        namespace=temporal.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id),
        reason="a test",
        workflow_task_finish_event_id=tasks[3],
        request_id=fresh("reset"),
    )
    await temporal.workflow_service.reset_workflow_execution(request)


async def test_a_cancelled_run_ends_what_was_open_in_it(served):
    gated = Gated(times=3)
    client = await served(App("test", agents=[gated.agent]))
    handle = await gated.start(client)
    page = Page(client, handle.workflow_id)
    await gated.is_at(1)
    open_row = (await page.look()).entries[-1]

    await handle.cancel()
    await until(lambda: has_ended(page), "the run is over")

    assert open_row.state in {"running", "scheduled"}
    assert page.shown.health.state == "cancelled"
    assert page.shown.entries[1].state == "cancelled"
    assert plain(page.shown) == await anew(client, handle.workflow_id)


async def has_ended(page: Page) -> bool:
    return (await page.look()).ended_at is not None


def foreman(child: Agent, **tools: Callable[..., object]) -> Agent:
    def answer(messages, _):
        is_told = any(isinstance(part, ToolReturnPart) for part in messages[-1].parts)
        return ModelResponse(parts=[TextPart("told") if is_told else ToolCallPart(f"ask_{child.name}", {"task": "Go"})])

    return Agent(FunctionModel(answer), name=fresh("foreman"), capabilities=[Durable(), SubAgents(agents=[child])])


async def test_turns_stand_in_their_order_when_all_of_them_are_read_at_once(served):
    model = FunctionModel(lambda _messages, _info: ModelResponse(parts=[TextPart("yes")]))
    agent = Agent(model, name="in_turns", capabilities=[Durable()])
    client = await served(App("test", agents=[agent]))
    talk = await client.conversation(agent, conversation_id="many")
    for number in range(1, 9):
        await talk.ask(f"number {number}")

    outline = await outlines_of(client).outline(talk.workflow_id)

    assert [turn.number for turn in outline.turns] == [*range(1, 9)]


async def test_a_child_run_is_counted_with_its_parent_and_has_an_outline_of_its_own(served, read):
    gated = Gated(times=2)
    chief = foreman(gated.agent)
    client = await served(App("test", agents=[chief]))
    handle = await client.start_run(chief, "Find", run_id="f")
    page = Page(client, handle.workflow_id)
    await gated.is_at(1)
    begun = await page.look()
    gated.permit(2)
    await handle.result()

    ended = await page.look()
    child_id = ended.entries[-2].has_child
    child = await page.outlines.outline(child_id)

    assert (begun.totals.model_calls, ended.totals.model_calls) == (2, 5)
    assert ended.totals == (await read(client, handle.workflow_id)).totals
    assert (child.totals.tool_calls, child.id, child.agent) == (2, child_id, gated.agent.name)
    assert [row.id for row in child.entries] == ["1", "2", "3", "4", "5"]
    assert (await page.outlines.value(handle.workflow_id, f"{ended.entries[-2].id}/2.args")).content == {"number": 0}
    assert (await page.outlines.entry(handle.workflow_id, f"{ended.entries[-2].id}/2"))[0].name == "step"


async def test_a_call_that_is_tried_again_is_shown_without_an_event_and_without_a_ledger(served):
    can_answer = asyncio.Event()

    def answer(*_):
        if not can_answer.is_set():
            raise ModelHTTPError(503, "m", {"message": "overloaded"})
        return ModelResponse(parts=[TextPart("at last")])

    agent = Agent(FunctionModel(answer), name=fresh("busy"), capabilities=[Durable()])
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Hi", run_id="b")
    page = Page(client, handle.workflow_id, ledger=None)

    async def has_tried(times: int) -> bool:
        entries = (await page.look()).entries
        return bool(entries) and entries[0].attempts >= times

    await until(lambda: has_tried(1), "the model was asked")
    await until(lambda: has_tried(3), "it was asked again")
    failing = page.shown.entries[0]
    can_answer.set()
    await handle.result()
    done = (await page.look()).entries[0]

    assert failing.state in {"retrying", "running"}
    assert "overloaded" in failing.summary
    assert (done.state, done.summary) == ("done", "at last")
    assert page.shown.notes == []


async def test_values_are_given_whole_on_demand_from_encrypted_histories(settings):
    gated = Gated(times=1, result="x" * 30_000)
    keyed = replace(settings, keys=generate_key("k").written())
    async with serving(App("test", agents=[gated.agent]), keyed) as client:
        conversation = await client.conversation(gated.agent, conversation_id="run")
        await conversation.say("y" * 5_000, message_id="1")
        await gated.is_at(1)
        await conversation.say("z" * 5_000, steer=True)
        gated.permit()
        await conversation.reply(1)
        await conversation.close()
        await conversation.result()
        run, outlines = conversation.workflow_id, outlines_of(client)

        outline = await outlines.outline(run)
        by_kind = {row.kind: row for row in outline.entries}
        entry, key = await outlines.entry(run, by_kind["tool_call"].id)
        refs = ["t1.said", f"{by_kind['tool_call'].id}.result", steering_of(outline).id + ".content", "output"]
        said, result, steered, output = [await outlines.value(run, ref) for ref in refs]
        messages = await outlines.value(run, f"{outline.entries[-2].id}.messages")

    assert (outline.turns[0].said.is_cut, said.content) == (True, "y" * 5_000)
    assert (entry.result.is_cut, entry.result.ref, entry.verdict) == (True, refs[1], "tool_return")
    assert (result.content, result.is_cut) == ("x" * 30_000 + " 0", False)
    assert (steered.content, output.content) == ("z" * 5_000, "1 steps")
    assert len(steering_of(outline).summary) == LONGEST_SUMMARY
    assert len(key) == 40
    assert messages.content[0]["parts"][0]["content"] == "y" * 5_000


def steering_of(outline: Outline):
    (row,) = [row for row in outline.entries if row.name == "steering"]
    return row


async def test_a_cursor_that_says_nothing_here_gives_everything(served):
    gated = Gated(times=1)
    client = await served(App("test", agents=[gated.agent]))
    handle = await gated.start(client)
    gated.permit()
    await handle.result()
    outlines = outlines_of(client)
    whole = await outlines.outline(handle.workflow_id)

    of_another = (await outlines_of(client).outline(handle.workflow_id)).cursor
    answers = [
        await outlines.outline(handle.workflow_id, since=since)
        for since in ("", "nonsense", of_another, f"{whole.cursor}9", whole.cursor)
    ]

    assert [answer.is_delta for answer in answers] == [False, False, False, False, True]
    assert [len(answer.entries) for answer in answers] == [3, 3, 3, 3, 0]


async def test_runs_that_were_not_looked_at_for_long_are_forgotten_and_read_anew(served):
    gated = [Gated(times=2), Gated(times=2), Gated(times=2)]
    client = await served(App("test", agents=[one.agent for one in gated]))
    handles = [await one.start(client) for one in gated]
    for one, handle in zip(gated, handles, strict=True):
        one.permit(2)
        await handle.result()
    outlines = outlines_of(client, most_entries=10)

    first, second, third = [await outlines.outline(handle.workflow_id) for handle in handles]
    again = [
        await outlines.outline(handle.workflow_id, since=one.cursor)
        for handle, one in ((handles[2], third), (handles[1], second), (handles[0], first))
    ]

    assert [one.is_delta for one in again] == [True, True, False]
    assert plain(again[2]) == plain(first)


async def test_twenty_who_look_at_once_see_the_same_and_who_waits_is_told_of_a_change(served):
    gated = Gated(times=1)
    client = await served(App("test", agents=[gated.agent]))
    handle = await gated.start(client)
    await gated.is_at(1)
    outlines = outlines_of(client)

    looks = await asyncio.gather(*(outlines.outline(handle.workflow_id) for _ in range(20)))
    waiting = asyncio.create_task(outlines.changed(handle.workflow_id, since=looks[0].cursor, wait=60))
    nothing = await outlines.changed(handle.workflow_id, since=looks[0].cursor, wait=0)
    gated.permit()
    told = await waiting

    assert {look.cursor for look in looks} == {looks[0].cursor}
    assert (nothing.cursor, nothing.entries) == (looks[0].cursor, [])
    assert told.entries[0].id == "2"
    assert told.is_delta


async def test_what_is_not_there_is_said_to_be_unknown(served):
    gated = Gated(times=1)
    client = await served(App("test", agents=[gated.agent]))
    handle = await gated.start(client)
    gated.permit()
    await handle.result()
    outlines = outlines_of(client)

    with pytest.raises(RunUnknown, match="There is no run 'agent/none/x'"):
        await outlines.outline("agent/none/x")
    with pytest.raises(EntryUnknown, match="has no entry '77'"):
        await outlines.entry(handle.workflow_id, "77")
    with pytest.raises(EntryUnknown, match=r"has no value '1\.nothing'"):
        await outlines.value(handle.workflow_id, "1.nothing")
    with pytest.raises(EntryUnknown, match="has no value 'x'"):
        await outlines.value(handle.workflow_id, "x")
