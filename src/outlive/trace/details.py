"""One entry or one value of a run, whole: read again from the events that tell of it, and decoded only then."""

from dataclasses import replace
from typing import Any

from temporalio.client import Client

from outlive.errors import EntryUnknown
from outlive.trace.building import STEERING, TraceBuilder
from outlive.trace.histories import Histories
from outlive.trace.known import KnownRun
from outlive.trace.model import ChildRun, Entry, Message, Value
from outlive.trace.values import Values

VALUES = ("args", "result", "verdict", "text", "thinking", "asked", "content", "tool_call_id")
"""Fields of entries that an outline has not, or only the beginning of."""


def child_of(known: KnownRun, ref: str) -> ChildRun | None:
    """Return the child run that an id or a reference points into, such as ``3/2.args``."""
    first, slash, _ = ref.partition("/")
    found = known.entries.get(first) if slash else None
    return found if isinstance(found, ChildRun) else None


async def entry_of(client: Client, known: KnownRun, entry_id: str) -> Entry:
    """Return an entry as a trace has it: values up to some size, with references to the whole ones.

    Raises:
        EntryUnknown: If the run has no such entry.
        RPCError: If the engine does not answer.
    """
    entry = known.entries.get(entry_id)
    if entry is None:
        raise EntryUnknown(f"Run {known.workflow_id!r} has no entry {entry_id!r}. Its outline names those that it has.")
    builder = await _rebuilt(client, known, entry_id, Values(client.data_converter))
    if not builder.drafts.has(entry_id):
        return entry
    again = builder.drafts.get(entry_id)
    found: dict[str, Any] = {name: getattr(again, name) for name in VALUES if hasattr(again, name)}
    return replace(entry, **found)


async def value_of(client: Client, known: KnownRun, ref: str) -> Value:
    """Return one value of a run whole.

    Args:
        ref: As the trace or the outline has it; also ``N.messages``, the conversation that a model was given.

    Raises:
        EntryUnknown: If the run has no such value.
        RPCError: If the engine does not answer.
    """
    values = Values(client.data_converter, wanted=ref)
    item_id = ref.partition(".")[0]
    if item_id in known.builder.drafts.sources:
        await _rebuilt(client, known, item_id, values)
    if values.found is None:
        raise EntryUnknown(f"Run {known.workflow_id!r} has no value {ref!r}. `outlive show` names those that it cut.")
    return values.found


async def _rebuilt(client: Client, known: KnownRun, item_id: str, values: Values) -> TraceBuilder:
    """Build anew what some events of a run tell, under the ids that it has there."""
    drafts = known.builder.drafts
    source = drafts.sources[item_id]
    length = next((part.events for part in known.builder.parts if part.id == source.run_id), 0)
    events = await Histories(client, known.workflow_id).picked(source.run_id, source.events, length=length)
    builder = TraceBuilder(values, prefix=drafts.prefix, first=drafts.number(item_id))
    builder.workflow_type = known.builder.workflow_type
    if isinstance(entry := known.entries.get(item_id), Message) and entry.name == STEERING:
        turn = known.turn(drafts.turn_of[item_id])
        builder.drafts.open_turn(turn.number if turn else 0, None, entry.content)
    builder.begin_run(source.run_id)
    for event in events:
        await builder.take(event)
    return builder
