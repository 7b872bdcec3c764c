"""Runs that carry much, and whose histories stay small."""

import pytest
from pydantic_ai.durable_exec.temporal import PydanticAIPlugin
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer

from engines import fresh, until
from outlive.engine import converter as converters
from outlive.engine.connection import data_converter
from outlive.engine.envelopes import CONVERSATION, REPLAYED
from outlive.errors import PayloadTooLarge
from outlive.payloads.vault import Vault
from temporal.payloads.conftest import chunk_count, working
from temporal.payloads.workflows import Heavy, Local, Talk, Talking
from unit.engine_codec.conversations import conversation


async def start(client: Client, task_queue: str, workflow, argument):
    return await client.start_workflow(workflow, argument, id=fresh("payloads"), task_queue=task_queue)


async def stored_size(handle) -> int:
    """Bytes of a run's history."""
    return (await handle.describe()).raw_description.workflow_execution_info.history_size_bytes


async def test_megabytes_go_through_a_run_whose_history_has_a_few_kilobytes(client, task_queue, settings):
    async with working(client, task_queue):
        handle = await start(client, task_queue, Heavy.run, "a" * 4_000_000)
        await handle.signal(Heavy.tell, "b" * 5_000_000)
        result = await handle.result()
        signalled = await handle.query(Heavy.signalled)

    assert result == "a" * 8_000_000 + "b" * 5_000_000
    assert signalled == "b" * 5_000_000
    assert await stored_size(handle) < 6_000


async def test_a_conversation_costs_each_call_the_same_and_each_message_once(client, task_queue, settings):
    async with working(client, task_queue):
        short = await start(client, task_queue, Talking.run, Talk(turns=100))
        assert await short.result() == 200
        after_short = await chunk_count(settings)
        long = await start(client, task_queue, Talking.run, Talk(turns=200))
        assert await long.result() == 400
    sizes = [
        event.activity_task_scheduled_event_attributes.input.ByteSize()
        async for event in long.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]

    assert len(sizes) == 200
    assert max(sizes) < 2_500
    assert after_short <= 200 + 200 // 32 + 1
    assert await chunk_count(settings) - after_short <= 400 + 400 // 32
    assert await stored_size(long) < 3 * await stored_size(short)


async def test_a_replay_makes_no_payload_of_a_conversation_again(client, task_queue, settings, monkeypatch):
    async with working(client, task_queue):
        handle = await start(client, task_queue, Talking.run, Talk(turns=40))
        await handle.result()
    history = await handle.fetch_history()
    made = []
    taken_apart = converters.OutlivePayloadConverter._taken_apart
    monkeypatch.setattr(
        converters.OutlivePayloadConverter,
        "_taken_apart",
        lambda self, value, messages: made.append(value) or taken_apart(self, value, messages),
    )
    replayer = Replayer(workflows=[Talking], data_converter=data_converter(settings), plugins=[PydanticAIPlugin()])

    await replayer.replay_workflow(history)

    assert made == []


async def test_a_worker_that_keeps_no_workflow_in_memory_sends_the_right_messages(client, task_queue, settings):
    async with working(client, task_queue, max_cached_workflows=0):
        handle = await start(client, task_queue, Talking.run, Talk(turns=12, answer_size=500))

        assert await handle.result() == 24

    kinds = [
        payload.metadata["encoding"]
        async for event in handle.fetch_history_events()
        for payload in event.activity_task_scheduled_event_attributes.input.payloads[:1]
    ]
    assert set(kinds) == {CONVERSATION}
    assert REPLAYED not in kinds


async def test_another_worker_goes_on_with_what_the_first_has_stored(client, task_queue, settings):
    async with working(client, task_queue):
        handle = await start(client, task_queue, Talking.run, Talk(turns=20, waits_after=10))
        await until(lambda: activities_done(handle, 10), "ten calls")
    async with working(await another_process(client, settings), task_queue):
        await handle.signal(Talking.go_on)

        assert await handle.result() == 40


async def test_a_run_that_continues_as_new_takes_its_conversation_along(client, task_queue, settings):
    async with working(client, task_queue):
        handle = await start(client, task_queue, Talking.run, Talk(turns=20, continues_after=10, answer_size=500))
        first = handle.first_execution_run_id
        await until(lambda: continued(client, handle.id, first), "continue-as-new")
        await client.get_workflow_handle(handle.id).signal(Talking.go_on)

        assert await handle.result() == 40

    assert await stored_size(client.get_workflow_handle(handle.id, run_id=first)) < 25_000


async def test_a_conversation_goes_to_local_activities_too(client, task_queue, settings):
    messages = conversation(1)
    messages[0].parts[0].content = "0: go on"
    async with working(client, task_queue, max_cached_workflows=0):
        handle = await start(client, task_queue, Local.run, Talk(turns=1, answer_size=100, messages=messages))

        assert await handle.result() == 103


async def test_a_value_too_large_for_any_run_fails_the_run_and_hangs_nothing(client, task_queue, settings, monkeypatch):
    async with working(client, task_queue):
        handle = await start(client, task_queue, Heavy.run, "a" * 600_000)
        monkeypatch.setattr(converters, "LARGEST_PAYLOAD", 1_000_000)
        await handle.signal(Heavy.tell, "b")

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()

    causes = [caught.value]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    assert isinstance(causes[-1], ApplicationError)
    assert causes[-1].type == "PayloadTooLarge"
    assert "bytes as encoded" in causes[-1].message


async def test_a_caller_hears_at_once_that_a_value_is_too_large(client, task_queue, monkeypatch):
    monkeypatch.setattr(converters, "LARGEST_PAYLOAD", 1_000_000)

    with pytest.raises(PayloadTooLarge, match="at most 1,000,000"):
        await start(client, task_queue, Heavy.run, "a" * 2_000_000)


async def activities_done(handle, count: int) -> bool:
    events = [event async for event in handle.fetch_history_events()]
    return sum(event.HasField("activity_task_completed_event_attributes") for event in events) >= count


async def continued(client: Client, workflow_id: str, first: str) -> bool:
    return (await client.get_workflow_handle(workflow_id).describe()).run_id != first


async def another_process(client: Client, settings) -> Client:
    """A client that shares nothing with the first but the store's file."""
    from temporalio.converter import DataConverter

    from outlive.engine.codec import OutliveCodec

    made = converters.converter_for(Vault(client.data_converter.payload_converter_class.vault.location))
    config = client.config()
    config["data_converter"] = DataConverter(payload_converter_class=made, payload_codec=OutliveCodec(made))
    return Client(**config)
