"""From events to entries, whatever the events hold."""

from outlive.trace.model import Message, ModelCall, ToolCall
from unit.trace.events import UNREADABLE, History, built

START = {"agent": "a", "inbox": [{"message_id": "1", "content": "Hello"}]}


async def test_the_calls_of_a_turn_stand_in_it_with_what_was_said():
    history = History()
    history.started("OutliveAgent", START)
    history.noted("turn_started")
    answer = {"parts": [{"part_kind": "text", "content": "Hi"}], "usage": {"input_tokens": 3, "output_tokens": 1}}
    history.completed(history.scheduled("agent__a__model_request", {}, summary="request model: m"), answer)
    history.noted("turn_ended")

    drafts = (await built(history)).drafts

    (turn,), (call,) = drafts.turns, drafts.all()
    assert (turn.number, turn.said.content, turn.ended_at is not None) == (1, "Hello", True)
    assert turn.entry_ids == [call.id]
    assert isinstance(call, ModelCall)
    assert (call.id, call.text.content, call.input_tokens, call.state) == ("1", "Hi", 3, "done")


async def test_a_payload_that_cannot_be_read_becomes_a_problem_of_its_value_alone():
    history = History()
    history.started("OutliveAgent", UNREADABLE)
    history.noted("turn_started")
    history.completed(history.scheduled("agent__a__model_request", UNREADABLE), UNREADABLE)
    history.completed(history.scheduled("agent__a__toolset__t__call_tool", UNREADABLE), UNREADABLE)
    history.completed(history.scheduled("pay", UNREADABLE, UNREADABLE), UNREADABLE)

    builder = await built(history)
    model, tool, plain = builder.drafts.all()

    assert "cannot be read here" in builder.notes[0]
    assert "cannot be read here" in model.text.problem
    assert "cannot be read here" in tool.args.problem
    assert "cannot be read here" in tool.result.problem
    assert "cannot be read here" in plain.args.problem


async def test_an_event_that_is_not_understood_leaves_a_note_and_hides_nothing_else():
    history = History()
    history.started("OutliveAgent", {"turn": "many", "inbox": 7})
    history.completed(history.scheduled("agent__a__toolset__t__call_tool", {"name": "look", "tool_args": {}}), {})

    builder = await built(history)

    assert "not understood" in builder.notes[0]
    assert [entry.name for entry in builder.drafts.all()] == ["look"]


async def test_ends_of_what_was_never_seen_to_begin_are_passed_over():
    history = History()
    history.started("OutliveAgent", START)
    history.completed(99, "late")
    history.add("timer_fired").started_event_id = 98
    history.add("child_workflow_execution_completed").initiated_event_id = 97
    history.add("workflow_execution_update_completed").accepted_event_id = 96
    history.add("activity_task_started").scheduled_event_id = 95

    builder = await built(history)

    assert builder.drafts.all() == []
    assert builder.notes == []


async def test_answers_and_arguments_of_an_older_shape_are_read_too():
    history = History()
    history.started("OutliveAgent", START)
    response = {"parts": [{"part_kind": "tool-call", "tool_name": "look", "args": '{"number": 1}'}], "usage": None}
    streamed = {"response": response, "events": []}
    history.completed(history.scheduled("agent__a__model_request_stream", {}), streamed)
    history.completed(
        history.scheduled("agent__a__mcp_server__files__call_tool", {}, summary="call tool: files:ls"), "x"
    )

    model, tool = (await built(history)).drafts.all()

    assert [(asked.tool, asked.args.content) for asked in model.asked] == [("look", {"number": 1})]
    assert (tool.name, tool.toolset, tool.result.content) == ("ls", "files", "x")


async def test_a_large_value_is_cut_and_names_where_the_whole_is():
    history = History()
    history.started("Plain", "x" * 5_000)
    call = history.scheduled("look", {"a": 1})
    history.completed(call, "é" * 5_000)

    builder = await built(history)
    (entry,) = builder.drafts.all()

    assert isinstance(entry, ToolCall)
    assert (builder.input.is_cut, builder.input.ref, builder.input.size) == (True, "input", 5_000)
    assert (entry.result.is_cut, entry.result.ref, entry.result.size) == (True, "1.result", 10_000)
    assert set(entry.result.content) == {"é"}


async def test_the_signals_of_a_plain_workflow_are_its_messages():
    history = History()
    history.started("Plain")
    given = history.add("workflow_execution_signaled")
    given.signal_name, given.identity = "approve", "jo@desk"

    (entry,) = (await built(history)).drafts.all()

    assert isinstance(entry, Message)
    assert (entry.name, entry.sent_by, entry.content) == ("approve", "jo@desk", None)
