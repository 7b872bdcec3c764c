"""What the scripted model says: a stand-in for a language model, so that the example runs without a key.

What it says follows from the messages alone: the same request always gets the same reply.
"""

import json
import re
from typing import Any

from outlive.testing.scripted_model import Reply


def answer(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Reply:
    """Return what comes next, as one of the two agents of the example."""
    names = {tool["function"]["name"] for tool in tools}
    return _policies(messages) if "read_policies" in names else _support(messages)


def _policies(messages: list[dict[str, Any]]) -> Reply:
    read = _results(messages, "read_policies")
    if not read:
        return _call("read_policies")
    asked = messages[-3]["content"].lower()
    sections = [section.strip() for section in read[0].split("# ") if section.strip()]
    return Reply(text=next((text for text in sections if text.split()[0].lower() in asked), "No policy applies."))


def _support(messages: list[dict[str, Any]]) -> Reply:
    said = [message["content"] for message in messages if message["role"] == "user"]
    number = next((found[0] for text in reversed(said) if (found := re.search(r"\d{4}", text))), None)
    if "thank" in said[-1].lower():
        opened = [json.loads(result) for result in _results(messages, "open_ticket")]
        ticket = opened[-1].get("ticket") if opened else None
        resolution = {"outcome": "solved", "message": "Glad it came.", "ticket": ticket}
        return _call("final_result", **resolution)
    if "person" in said[-1].lower():
        return Reply(text="I am calling a colleague, who will write to you here.")
    if number is None:
        return Reply(text="What is the number of your order?")
    return _about_order(number, said[-1].lower(), messages)


def _about_order(number: str, said: str, messages: list[dict[str, Any]]) -> Reply:
    this_turn = messages[max(at for at, message in enumerate(messages) if message["role"] == "user") :]
    looked_up = _results(this_turn, "look_up_order")
    if not looked_up:
        return _call("look_up_order", number=number)
    order = json.loads(looked_up[-1])
    if "error" in order:
        return Reply(text=f"I cannot look order {number} up: {order['error']}")
    if asked := re.search(r"refund.*?\b(\d{1,3})\b", said):
        refunded = _results(this_turn, "refund")
        return Reply(text=refunded[-1]) if refunded else _call("refund", order=number, amount=int(asked[1]))
    return _about_parcel(order, messages)


def _about_parcel(order: dict[str, str], messages: list[dict[str, Any]]) -> Reply:
    if order["status"] != "in transit":
        return Reply(text=f"Your {order['item']} is {order['status']}. Is all as it should be?")
    if not _results(messages, "ask_policies"):
        return _call("ask_policies", task="What applies to a late parcel?")
    tickets = _results(messages, "open_ticket")
    if not tickets:
        summary = f"{order['item']} of order {order['number']} is late."
        return _call("open_ticket", order=order["number"], summary=summary)
    opened = json.loads(tickets[-1])
    if "error" in opened:
        return Reply(text=f"Your {order['item']} is late, and I cannot open a ticket. A colleague will write to you.")
    return Reply(text=f"Your {order['item']} is in transit. Ticket {opened['ticket']} is open with the carrier.")


def _call(tool: str, **arguments: Any) -> Reply:
    return Reply(tool_calls=[(tool, arguments)])


def _results(messages: list[dict[str, Any]], tool: str) -> list[str]:
    """Return what a tool has returned, as the model reads it."""
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    made = {call["id"] for call in calls if call["function"]["name"] == tool}
    return [message["content"] for message in messages if message.get("tool_call_id") in made]
