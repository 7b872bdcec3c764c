"""What the scripted model says: a stand-in for a language model, so that the example runs without a key.

It lists the folder, reads each document, notes from each the sentence that shares most words with the question, and
reports its notes. What it says follows from the messages alone: the same request always gets the same reply.
"""

import json
import re
from typing import Any

from outlive.testing.scripted_model import Reply

LONG_WORD = re.compile(r"\w{4,}")
SENTENCE_END = re.compile(r"(?<=[.?!])\s+|\n\n+|\n(?=\|)")


def answer(messages: list[dict[str, Any]], _: list[dict[str, Any]]) -> Reply:
    """Return what comes next."""
    folder = next(found[1] for message in messages if (found := re.search(r"under (\S+):", str(message["content"]))))
    listed = _results(messages, "list_directory")
    if not listed:
        return Reply(tool_calls=[("list_directory", {"path": folder})])

    names = re.findall(r"\[FILE\] (\S+)", listed[0])
    texts = _results(messages, "read_text_file")
    if len(texts) < len(names):
        return Reply(tool_calls=[("read_text_file", {"path": f"{folder}/{names[len(texts)]}"})])

    question = next(message["content"] for message in messages if message["role"] == "user")
    closest = [(_closest(text, question), name) for name, text in zip(names, texts, strict=True)]
    findings = [(sentence, name) for sentence, name in closest if sentence]
    noted = len(_results(messages, "take_note"))
    if noted < len(findings):
        finding, source = findings[noted]
        return Reply(tool_calls=[("take_note", {"finding": finding, "source": source})])

    said = " ".join(finding for finding, _ in findings) or "The documents do not say."
    report = {"answer": said, "findings": [{"claim": finding, "source": source} for finding, source in findings]}
    return Reply(tool_calls=[("final_result", report)])


def _results(messages: list[dict[str, Any]], tool: str) -> list[str]:
    """Return what a tool has returned so far, as text."""
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    made = {call["id"] for call in calls if call["function"]["name"] == tool}
    results = [message["content"] for message in messages if message.get("tool_call_id") in made]
    return [json.loads(result).get("content", "") if result.startswith("{") else result for result in results]


def _closest(text: str, question: str) -> str:
    """Return the sentence that shares most words with the question; nothing where none shares any."""
    asked = {word.lower() for word in LONG_WORD.findall(question)}

    def shared(sentence: str) -> int:
        return len(asked & {word.lower() for word in LONG_WORD.findall(sentence)})

    best = max((part for part in SENTENCE_END.split(text) if not part.startswith("#")), key=shared)
    return " ".join(best.replace("|", " ").split()) if shared(best) else ""
