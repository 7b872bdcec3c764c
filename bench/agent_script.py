"""What the scripted model server says to the agents whose latency is measured: ``outlive.testing.scripted_model``."""

from typing import Any

from outlive.testing.scripted_model import Reply, answers_so_far

CALLS = {"answer": 0, "look once": 1, "look twice": 2}
"""By prompt: how many tool calls the first reply asks for."""


def script(messages: list[dict[str, Any]], _: list[dict[str, Any]]) -> Reply | str:
    prompt = next(message["content"] for message in messages if message["role"] == "user")
    if answers_so_far(messages) or not CALLS[prompt]:
        return "done"
    return Reply(tool_calls=[("look", {"number": number}) for number in range(CALLS[prompt])])
