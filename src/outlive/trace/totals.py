"""What the entries of a run come to."""

from collections.abc import Iterable

from outlive.trace.model import Entry, ModelCall, ToolCall, Totals


def totals_of(entries: Iterable[Entry], children: Iterable[Totals] = ()) -> Totals:
    """Return the totals of entries, and of child runs with them."""
    model_calls = tool_calls = failures = input_tokens = output_tokens = usd_nanos = unpriced = 0
    for entry in entries:
        if isinstance(entry, ModelCall):
            is_done = entry.state == "done"
            model_calls += is_done
            failures += entry.failures
            input_tokens += entry.input_tokens or 0
            output_tokens += entry.output_tokens or 0
            usd_nanos += entry.usd_nanos or 0
            unpriced += is_done and entry.usd_nanos is None
        elif isinstance(entry, ToolCall):
            tool_calls += entry.kind == "tool_call" and entry.state == "done"
            failures += entry.failures
    own = Totals(
        model_calls=model_calls,
        tool_calls=tool_calls,
        failures=failures,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        usd_nanos=usd_nanos,
        unpriced=unpriced,
    )
    return sum(children, start=own)
