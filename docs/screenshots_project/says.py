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
    return about_orders(messages, tools) if tools else _sorted(_letter(messages))


def _letter(messages: list[dict[str, Any]]) -> str:
    """Return the letter, also where the last message says what was wrong with the answer."""
    content = next(message["content"] for message in messages if message["role"] == "user")
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def _sorted(letter: str) -> Reply:
    chance = random.Random(zlib.crc32(letter.encode()))
    seconds = min(6.0, chance.lognormvariate(-0.7, 0.55))
    if CODED in letter:
        return Reply(text="I cannot read this.", latency=seconds)
    low = letter.lower()
    topic = next((topic for topic, words in TOPICS.items() if any(word in low for word in words)), "question")
    said_first = re.search(r"Dear shop,\n(.+)", letter)
    said = {
        "topic": topic,
        "urgency": min(5, URGENCY[topic] + ("today" in low)),
        "summary": said_first[1][:200] if said_first else "",
        "asks_for_money": topic == "refund",
    }
    return Reply(text=json.dumps(said), latency=seconds)
