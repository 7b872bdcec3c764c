"""Calls that a person has to allow."""

import json

import pytest
from pydantic_ai import Agent, RunContext
from pydantic_ai.exceptions import ApprovalRequired
from pydantic_ai.tools import DeferredToolRequests

from engines import fresh
from outlive import App, Durable
from outlive.effects.declaring import effect
from outlive.errors import AlreadyDecided, HandOffError
from temporal.desk.people import calling, waiting


def paying(name: str, *calls: tuple[str, dict], at_once: bool = False, **options) -> tuple[Agent, list]:
    """An agent that pays only what it is allowed to."""
    agent = Agent(calling(*calls, at_once=at_once), name=name, capabilities=[Durable()], **options)
    paid: list[tuple[str, int]] = []

    @agent.tool_plain(requires_approval=True)
    def pay(to: str, amount: int) -> str:
        """Pay somebody."""
        paid.append((to, amount))
        return f"paid {amount} to {to}"

    return agent, paid


async def test_an_approved_call_is_made_once_and_recorded_with_who_and_when(served):
    name = fresh("payer")
    agent, paid = paying(name, ("pay", {"to": "ada", "amount": 7}))
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Pay", run_id="one")
    (asked,) = await waiting(client, name)
    whole = await client.desk.get(asked.id)

    decided = await client.desk.decide(asked.id, "approve", by="grace", note="fine")
    result = await handle.result()

    assert (asked.kind, asked.subject, asked.run, list(asked.choices)) == (
        "approval",
        "pay",
        f"{name}/one",
        ["approve", "deny", "stop"],
    )
    assert whole.about["args"] == {"to": "ada", "amount": 7}
    assert (decided.state, decided.choice, decided.decided_by, decided.note) == ("decided", "approve", "grace", "fine")
    assert json.loads(result.output) == ["paid 7 to ada"]
    assert paid == [("ada", 7)]
    assert await client.desk.list(agent=name) == []


async def test_edited_arguments_reach_the_tool_and_a_bad_edit_is_refused_to_the_person(served):
    name = fresh("payer")
    agent, paid = paying(name, ("pay", {"to": "ada", "amount": 7000}))
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Pay")
    (asked,) = await waiting(client, name)

    for bad, why in (
        ({"to": "ada", "amount": "much"}, "amount: not of type"),
        ({"to": "ada"}, "missing"),
        (5, "object"),
    ):
        with pytest.raises(HandOffError, match=why):
            await client.desk.decide(asked.id, "approve", value=bad, by="grace")
    with pytest.raises(HandOffError, match="takes no 'tip'"):
        await client.desk.decide(asked.id, "approve", value={"to": "ada", "amount": 7, "tip": 1}, by="grace")
    await client.desk.decide(asked.id, "approve", value={"to": "ada", "amount": 7}, by="grace")
    await handle.result()

    assert paid == [("ada", 7)]


async def test_a_denied_call_is_not_made_and_the_model_reads_why(served):
    name = fresh("payer")
    agent, paid = paying(name, ("pay", {"to": "eve", "amount": 7}))
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Pay")
    (asked,) = await waiting(client, name)

    await client.desk.decide(asked.id, "deny", by="grace", note="not to eve")
    result = await handle.result()

    assert "not to eve" in result.output
    assert paid == []


async def test_approvals_of_one_answer_wait_side_by_side(served):
    name = fresh("payer")
    calls = [("pay", {"to": "ada", "amount": 1}), ("pay", {"to": "bob", "amount": 2})]
    agent, paid = paying(name, *calls, at_once=True)
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Pay")
    first, second = await waiting(client, name, count=2)

    await client.desk.decide(second.id, "approve", by="grace")
    await client.desk.decide(first.id, "deny", by="grace", note="no")
    await handle.result()

    about = (await client.desk.get(second.id)).about["args"]
    assert paid == [(about["to"], about["amount"])]


async def test_a_tool_that_asks_for_approval_itself_is_called_once_it_has_it(served):
    name = fresh("asker")
    agent = Agent(calling(("wipe", {"disk": "a"})), name=name, capabilities=[Durable()])
    wiped = []

    @agent.tool
    def wipe(ctx: RunContext[None], disk: str) -> str:
        """Wipe a disk."""
        if not ctx.tool_call_approved:
            raise ApprovalRequired(metadata={"reason": "This cannot be undone."})
        wiped.append(disk)
        return "wiped"

    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Wipe")
    (asked,) = await waiting(client, name)
    await client.desk.decide(asked.id, "approve", by="grace")
    await handle.result()

    assert asked.reason == "This cannot be undone."
    assert wiped == ["a"]


async def test_an_effect_waits_only_where_its_arguments_ask_for_approval(served):
    name = fresh("refunder")
    agent = Agent(calling(("refund", {"amount": 5}), ("refund", {"amount": 500})), name=name, capabilities=[Durable()])
    made = []

    @agent.tool_plain
    @effect("idempotent", approve=lambda amount: amount > 50)
    async def refund(amount: int) -> str:
        """Refund."""
        made.append(amount)
        return "done"

    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Refund")
    (asked,) = await waiting(client, name)
    before = list(made)
    await client.desk.decide(asked.id, "approve", value={"amount": 499}, by="grace")
    await handle.result()

    assert (before, made) == ([5], [5, 499])


async def test_an_agent_whose_output_takes_the_requests_ends_with_them_as_before(served):
    name = fresh("ender")
    agent, _ = paying(name, ("pay", {"to": "ada", "amount": 7}), output_type=[str, DeferredToolRequests])
    client = await served(App("test", agents=[agent]))

    result = await (await client.start_run(agent, "Pay")).result()

    assert result.output.approvals[0].tool_name == "pay"


async def test_a_second_decision_hears_who_was_quicker_also_when_the_run_has_moved_on(served):
    name = fresh("payer")
    calls = [("pay", {"to": "ada", "amount": 1}), ("pay", {"to": "bob", "amount": 2})]
    agent, _ = paying(name, *calls)
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Pay")
    (first,) = await waiting(client, name)
    await client.desk.decide(first.id, "approve", by="ada")
    await waiting(client, name)

    with pytest.raises(AlreadyDecided, match="ada chose 'approve' at 20"):
        await client.desk.decide(first.id, "deny", by="bob")
    with pytest.raises(Exception, match="ada chose 'approve' at 20"):
        await handle.decide("deny", question_id=first.id)
    await handle.cancel()


async def test_while_one_has_claimed_it_nobody_else_decides_unless_by_force(served):
    name = fresh("payer")
    agent, paid = paying(name, ("pay", {"to": "ada", "amount": 1}))
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Pay")
    (asked,) = await waiting(client, name)
    await client.desk.claim(asked.id, by="ada")
    (claimed,) = await client.desk.list(agent=name)

    with pytest.raises(HandOffError, match="ada has claimed"):
        await client.desk.decide(asked.id, "approve", by="bob")
    with pytest.raises(HandOffError, match="ada has claimed"):
        await client.desk.claim(asked.id, by="bob")
    await client.desk.release(asked.id, by="ada")
    await client.desk.claim(asked.id, by="bob")
    await client.desk.decide(asked.id, "approve", by="ada", force=True)
    await handle.result()

    assert claimed.claimed_by == "ada"
    assert paid == [("ada", 1)]


async def test_what_a_run_waited_for_is_void_once_it_has_ended(served):
    name = fresh("payer")
    agent, _ = paying(name, ("pay", {"to": "ada", "amount": 1}))
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Pay")
    (asked,) = await waiting(client, name)
    temporal = await client.temporal()
    await temporal.get_workflow_handle(handle.workflow_id).terminate("enough")

    await waiting(client, name, count=0)

    assert (await client.desk.get(asked.id)).state == "void"
    with pytest.raises(HandOffError, match="waits no more"):
        await client.desk.decide(asked.id, "approve", by="ada")


async def test_arguments_that_are_large_come_to_the_desk_whole(served):
    name = fresh("payer")
    agent, _ = paying(name, ("pay", {"to": "a" * 3_000_000, "amount": 1}))
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Pay")
    (asked,) = await waiting(client, name)

    whole = await client.desk.get(asked.id)
    await handle.cancel()

    assert len(whole.about["args"]["to"]) == 3_000_000
    assert len(asked.reason) < 1_000


async def test_hand_offs_of_runs_that_start_together_have_ids_of_their_own(served):
    name = fresh("together")
    agent = Agent(calling(("close_account", {"account": "a"})), name=name, capabilities=[Durable()])

    @agent.tool_plain(requires_approval=True)
    def close_account(account: str) -> str:
        """Close an account."""
        return f"closed {account}"

    client = await served(App("test", agents=[agent]))
    runs = [await client.start_run(agent, "go", run_id=run_id) for run_id in ("one", "two", "three")]
    found = await waiting(client, name, count=3)
    chosen = next(one for one in found if one.run == f"{name}/two")

    await client.desk.decide(chosen.id, "approve", by="ada")
    result = await runs[1].result()
    left = await waiting(client, name, count=2)

    assert len({one.id for one in found}) == 3
    assert "closed a" in str(result.output)
    assert {one.run for one in left} == {f"{name}/one", f"{name}/three"}
    for one in left:
        await client.desk.decide(one.id, "stop", by="ada")
