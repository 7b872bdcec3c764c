"""Workflows that are no agent's have a trace too."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from outlive import App
from outlive.trace.model import ChildRun, Message, Timer, ToolCall


@activity.defn
async def charge(account: str, cents: int) -> dict[str, int]:
    if activity.info().attempt < 2:
        raise ValueError("the bank is closed")
    return {account: cents}


@activity.defn
async def weigh(number: int) -> int:
    return number * 2


@workflow.defn
class Below:
    @workflow.run
    async def run(self, number: int) -> str:
        return f"below {number}"


@workflow.defn
class Purchase:
    def __init__(self) -> None:
        self._is_approved = False

    @workflow.signal
    def approve(self, by: str) -> None:
        self._is_approved = True

    @workflow.run
    async def run(self, account: str) -> str:
        await workflow.wait_condition(lambda: self._is_approved)
        await workflow.execute_activity(
            charge,
            args=[account, 500],
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10)),
        )
        await workflow.execute_local_activity(weigh, 4, start_to_close_timeout=timedelta(seconds=10))
        await workflow.sleep(timedelta(milliseconds=10), summary="a short night")
        await workflow.execute_child_workflow(Below.run, 7)
        return "sold"


async def test_a_plain_workflow_shows_its_activities_timers_signals_and_children(served, read):
    client = await served(App("test", workflows=[Purchase, Below], activities=[charge, weigh]))
    temporal = await client.temporal()
    handle = await temporal.start_workflow(
        Purchase.run, "acme", id=f"purchase-{client.settings.task_queue}", task_queue=client.settings.task_queue
    )
    await handle.signal(Purchase.approve, "jo")
    await handle.result()

    trace = await read(client, handle.id)

    (turn,) = trace.turns
    message, charged, weighed, timer, child = turn.entries
    assert (trace.agent, trace.workflow_type, trace.state) == (None, "Purchase", "completed")
    assert (trace.input.content, trace.output.content) == ("acme", "sold")
    assert isinstance(message, Message)
    assert (message.name, message.content.content) == ("approve", "jo")
    assert isinstance(charged, ToolCall)
    assert (charged.kind, charged.name, charged.args.content) == ("activity", "charge", ["acme", 500])
    assert (charged.result.content, charged.attempts, charged.failures) == ({"acme": 500}, 2, 1)
    assert "the bank is closed" in charged.failure.message
    assert (weighed.name, weighed.is_local, weighed.result.content) == ("weigh", True, 8)
    assert isinstance(timer, Timer)
    assert (timer.name, timer.state) == ("a short night", "done")
    assert isinstance(child, ChildRun)
    assert (child.workflow_type, child.args.content, child.result.content, child.trace) == ("Below", 7, "below 7", None)
