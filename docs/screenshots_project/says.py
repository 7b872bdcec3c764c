"""The scripted model of the pictures: the one of ``examples/support``, and what it says to letters."""

import json
import random
import re
import zlib
from typing import Any

from script import answer as about_orders

from outlive.testing.scripted_model import Reply

TOPICS = {
    "refund": ("refund", "money back"),
    "damage": ("broken", "scratch", "cracked"),
    "delivery": ("late", "parcel", "arrived"),
    "praise": ("thank", "love"),
}
URGENCY = {"damage": 4, "refund": 3, "delivery": 3, "question": 2, "praise": 1}
CODED = "-.-."  # letters in Morse code are answered with something else than what was asked for


def answer(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Reply:
    """Return what comes next: of an agent where there are tools, else of a letter."""
    return about_orders(messages, tools) if tools else _sorted(_text(messages[-1]["content"]))


def _text(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def _sorted(letter: str) -> Reply:
    chance = random.Random(zlib.crc32(letter.encode()))  # noqa: S311 - the same for the same letter
    seconds = min(6.0, chance.lognormvariate(-0.7, 0.55))
    if CODED in letter:
        return Reply(text="I cannot read this.", latency=seconds)
    low = letter.lower()
    topic = next((topic for topic, words in TOPICS.items() if any(word in low for word in words)), "question")
    lines = [line for line in letter.splitlines() if re.search(r"[a-z]{3}", line)]
    said = {
        "topic": topic,
        "urgency": min(5, URGENCY[topic] + ("today" in low)),
        "summary": lines[len(lines) // 2][:200] if lines else "",
        "asks_for_money": topic == "refund",
    }
    return Reply(text=json.dumps(said), latency=seconds)
