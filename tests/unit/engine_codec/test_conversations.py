import gc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.durable_exec.temporal import PydanticAIPayloadConverter, PydanticAIPlugin
from pydantic_ai.messages import ModelMessagesTypeAdapter, TextPart, ToolReturnPart
from pydantic_core import to_jsonable_python
from temporalio.client import ClientConfig
from temporalio.converter import ActivitySerializationContext, DataConverter

from outlive.engine.connection import data_converter
from outlive.engine.converter import converter_for, message_chunks
from outlive.engine.envelopes import CONVERSATION, PIN
from outlive.errors import PayloadMissing
from outlive.payloads.vault import Vault
from outlive.settings import Settings
from unit.engine_codec.conversations import (
    Turn,
    _CompactMessagesParams,
    _RequestParams,
    conversation,
    every_kind,
    request,
)

STOCK = DataConverter(payload_converter_class=PydanticAIPayloadConverter)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def converter(settings: Settings) -> DataConverter:
    return data_converter(settings)


async def through(converter, value, hint, *, reader=None):
    (payload,) = await converter.encode([value])
    (read,) = await (reader or converter).decode([payload], [hint])
    return payload, read


def another_process(converter: DataConverter) -> DataConverter:
    """A converter that has seen nothing yet."""
    from outlive.engine.codec import OutliveCodec

    made = converter_for(Vault(converter.payload_converter_class.vault.location))
    return DataConverter(payload_converter_class=made, payload_codec=OutliveCodec(made))


async def chunks_of(converter):
    return (await converter.payload_converter_class.vault.ask(lambda store: store.facts())).chunks


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 1025])
async def test_a_model_call_reads_what_was_sent_in_its_order(converter, count):
    messages = conversation(count)

    payload, read = await through(converter, request(messages), _RequestParams)

    assert read == request(messages)
    assert read.messages == messages
    assert payload.metadata["encoding"] == CONVERSATION
    assert payload.ByteSize() < 3_000


async def test_what_pydantic_ai_reads_is_what_its_own_converter_would_have_read(converter):
    sent = request(every_kind())

    _, read = await through(converter, sent, _RequestParams, reader=another_process(converter))
    _, stock = await through(STOCK, sent, _RequestParams)

    assert read == stock
    assert type(read.telemetry_mcp_url_ids) is set
    assert ModelMessagesTypeAdapter.dump_python(read.messages) == ModelMessagesTypeAdapter.dump_python(stock.messages)


async def test_a_compaction_is_sent_as_constant_size_too(converter):
    sent = _CompactMessagesParams(
        messages=conversation(100),
        model_settings=None,
        model_request_parameters=request([]).model_request_parameters,
        streaming=True,
        instructions="Be brief.",
        serialized_run_context=None,
    )

    payload, read = await through(converter, sent, _CompactMessagesParams)

    assert read == sent
    assert payload.ByteSize() < 3_000


async def test_a_contract_that_does_not_name_the_messages_type_still_reads_messages(converter):
    sent = Turn(title="x" * 5_000, messages=conversation(70), usage={"requests": 3})

    payload, read = await through(converter, sent, Turn)
    _, optional = await through(converter, sent, Turn | None)

    assert read == optional == sent
    assert payload.ByteSize() < 500


async def test_a_reader_without_a_type_gets_plain_values(converter):
    sent = Turn(title="t", messages=conversation(70))

    payload, read = await through(converter, sent, None)
    (again,) = await another_process(converter).decode([payload])

    assert read == again == to_jsonable_python(sent) | {"messages": to_jsonable_python(sent.messages)}


async def test_another_process_reads_everything(converter):
    sent = request(conversation(300))
    (payload,) = await converter.encode([sent])

    (read,) = await another_process(converter).decode([payload], [_RequestParams])

    assert read == sent


async def test_each_message_is_stored_once_however_often_it_is_sent(converter):
    messages = conversation(200)
    for count in range(1, 201):
        await converter.encode([request(messages[:count])])

    assert await chunks_of(converter) == 200 + 200 // 32 + 1  # messages, full groups, the tools


async def test_a_message_made_anew_with_the_same_content_is_the_same_chunk(converter):
    messages = conversation(50)
    await converter.encode([request(messages)])
    before = await chunks_of(converter)
    copies = ModelMessagesTypeAdapter.validate_json(ModelMessagesTypeAdapter.dump_json(messages))
    await converter.encode([request(copies)])

    assert await chunks_of(converter) == before


async def test_sending_small_changes_costs_no_new_json(converter, monkeypatch):
    messages = conversation(100)
    await converter.encode([request(messages)])
    made = []
    content_of = message_chunks().content
    monkeypatch.setattr(message_chunks(), "content", lambda message: made.append(message) or content_of(message))
    longer = [*messages, *conversation(101)[100:]]
    await converter.encode([request(longer)])

    assert made == longer[100:]


def replace_text(messages):
    messages[1].parts[0].content = "changed"


def add_a_part(messages):
    messages[1].parts.append(TextPart(content="more"))


def change_deep_inside(messages):
    messages[2].parts[0].content["found"][0] = "changed"


def change_the_usage(messages):
    messages[1].usage.input_tokens = 77


def change_arguments(messages):
    messages[1].parts[1].args["where"].append("c")


def replace_a_part(messages):
    messages[2].parts[0] = ToolReturnPart(tool_name="find", content="changed", tool_call_id="c1")


def set_metadata(messages):
    messages[0].metadata = {"seen": True}


@pytest.mark.parametrize(
    "change",
    [replace_text, add_a_part, change_deep_inside, change_the_usage, change_arguments, replace_a_part, set_metadata],
)
async def test_a_message_changed_in_place_is_sent_as_it_is_now(converter, change):
    messages = conversation(6)
    await through(converter, request(messages), _RequestParams)

    change(messages)
    _, read = await through(converter, request(messages), _RequestParams)
    _, stock = await through(STOCK, request(messages), _RequestParams)

    assert read == stock


async def test_what_a_reader_changes_no_other_reader_sees(converter):
    sent = request(conversation(10))
    _, first = await through(converter, sent, _RequestParams)
    first.messages[1].parts.append(TextPart(content="mine"))
    first.messages[1].parts[0].content = "mine"
    first.messages.pop()

    _, second = await through(converter, sent, _RequestParams)

    assert second == sent


def as_an_activity(converter: DataConverter) -> DataConverter:
    """The converter that a worker reads the arguments of an activity with."""
    context = ActivitySerializationContext(
        namespace="default",
        activity_id="1",
        activity_type="agent__a__model_request",
        activity_task_queue="q",
        workflow_id="agent/a/1",
        workflow_type="OutliveAgent",
        is_local=False,
    )
    return converter.with_context(context)


async def test_the_calls_of_a_run_share_the_messages_that_none_of_them_changed(converter):
    reader = as_an_activity(converter)
    messages = conversation(12)
    _, first = await through(converter, request(messages[:10]), _RequestParams, reader=reader)
    first.messages.pop()
    _, second = await through(converter, request(messages), _RequestParams, reader=reader)

    assert second.messages == messages
    assert all(mine is before for mine, before in zip(second.messages, first.messages, strict=False))


@pytest.mark.parametrize(
    "change",
    [replace_text, add_a_part, change_deep_inside, change_the_usage, change_arguments, replace_a_part, set_metadata],
)
async def test_what_one_call_changes_the_next_call_does_not_see(converter, change):
    reader, sent = as_an_activity(converter), request(conversation(6))
    _, first = await through(converter, sent, _RequestParams, reader=reader)
    change(first.messages)
    _, second = await through(converter, sent, _RequestParams, reader=reader)

    assert first != sent
    assert second == sent


async def test_a_message_that_is_said_twice_is_two_messages(converter):
    (message,) = conversation(1)
    sent = request([message, message])
    _, read = await through(converter, sent, _RequestParams, reader=as_an_activity(converter))
    read.messages[0].metadata = {"seen": True}

    assert read.messages[1] == message


async def test_messages_that_are_gone_are_forgotten(converter):
    gc.collect()
    before = len(message_chunks()._seen)
    messages = conversation(50)
    await converter.encode([request(messages)])
    during = len(message_chunks()._seen)
    del messages
    gc.collect()

    assert during == before + 50
    assert len(message_chunks()._seen) <= before


async def test_a_payload_that_was_decoded_is_read_although_what_was_fetched_is_forgotten(converter):
    (payload,) = await converter.encode([request(conversation(40))])
    (decoded,) = await converter.payload_codec.decode([payload])
    read_twice = [converter.payload_converter.from_payloads([decoded], [_RequestParams]) for _ in range(2)]
    without_codec = another_process(converter).payload_converter.from_payloads([payload], [_RequestParams])

    assert read_twice[0] == read_twice[1] == without_codec


async def test_what_was_fetched_for_one_process_never_leaves_it(converter):
    (payload,) = await converter.encode([request(conversation(40))])
    (decoded,) = await converter.payload_codec.decode([payload])
    (passed_on,) = await converter.payload_codec.encode([decoded])

    assert PIN in decoded.metadata
    assert passed_on == payload


async def test_a_message_that_the_store_lost_is_named(converter, tmp_path):
    (payload,) = await converter.encode([request(conversation(3))])
    elsewhere = data_converter(Settings(home=tmp_path / "elsewhere"))

    with pytest.raises(PayloadMissing, match="elsewhere"):
        await elsewhere.decode([payload], [_RequestParams])


@dataclass(kw_only=True)
class Letters:
    """Has messages, but not those of a model."""

    messages: list[Any] = field(default_factory=list)


@pytest.mark.parametrize("messages", [[], ["hello"], [{"kind": "request"}], [1, TextPart(content="x")]])
async def test_other_messages_are_plain_json(converter, messages):
    payload, read = await through(converter, Letters(messages=messages), Letters)

    assert payload.metadata["encoding"] == b"json/plain"
    assert to_jsonable_python(read) == to_jsonable_python(Letters(messages=messages))


async def test_payloads_of_other_converters_are_read(converter):
    for value, hint in [
        (request(conversation(3)), _RequestParams),
        ({"a": [1, None]}, dict),
        (b"bytes", bytes),
        (None, None),
    ]:
        (payload,) = await STOCK.encode([value])

        assert await converter.decode([payload], [hint]) == [value]


def test_pydantic_ais_plugin_leaves_the_converter_in_place(converter):
    config = PydanticAIPlugin().configure_client(ClientConfig(data_converter=converter))

    assert config["data_converter"] is converter


def test_a_client_that_only_knows_batches_imports_no_model_library():
    import subprocess
    import sys

    probe = (
        "import asyncio, sys, tempfile, pathlib; from outlive.engine.connection import data_converter;"
        "from outlive.settings import Settings; from outlive.contracts.windows import batch_input;"
        "c = data_converter(Settings(home=pathlib.Path(tempfile.mkdtemp())));"
        "asyncio.run(c.decode(asyncio.run(c.encode(['x' * 100_000, {'messages': [1]}]))));"
        "print([m for m in sys.modules if m.startswith('pydantic_ai')])"
    )
    out = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout

    assert out.strip() == "[]"
