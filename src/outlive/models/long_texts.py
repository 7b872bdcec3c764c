"""Texts longer than the model's context: worked through in parts, the answers merged by one more call."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

from pydantic_core import to_json

from outlive.contracts.outcomes import Cause
from outlive.errors import DocumentError
from outlive.models.answers import Request

_BYTES_PER_TOKEN = 2  # of scripts beyond ASCII: a Chinese character is 3 bytes and 1 to 1.5 tokens
_CHARACTERS_PER_TOKEN = 3  # of ASCII: English prose has 4 and more, code and tables about 3
_ANSWER_SHARE = 4  # a quarter of the context is left to the answer and to what the provider adds
_LONGEST_ANSWER_TOKENS = 16_000
_SMALLEST_PART_TOKENS = 64
_MOST_PARTS = 1_000


def estimated_tokens(text: str) -> int:
    """Return how many tokens a text has at most, by a rough and cautious rule; not a tokeniser's count."""
    if text.isascii():
        return len(text) // _CHARACTERS_PER_TOKEN + 1
    ascii_count = len(text.encode("ascii", "ignore"))
    other_bytes = len(text.encode("utf-8", "surrogatepass")) - ascii_count
    return ascii_count // _CHARACTERS_PER_TOKEN + other_bytes // _BYTES_PER_TOKEN + 1


def plan_parts(request: Request, context_tokens: int, *, splits: bool) -> list[str] | None:
    """Return the parts that the request's text has to be worked through in; None where it fits as it is.

    Raises:
        DocumentError: It does not fit, and is not to be split or cannot be.
    """
    # No text has more tokens than 2 for each character by the rule above: most need no closer look.
    if 2 * len(request.text) < context_tokens // 2 and not request.output.schema and not request.instruction:
        return None
    room = _room(request, context_tokens)
    if 2 * len(request.text) <= room:
        return None
    tokens = estimated_tokens(request.text)
    if tokens <= room:
        return None
    if not splits or room < _SMALLEST_PART_TOKENS:
        raise DocumentError(
            Cause.TOO_LONG,
            f"About {tokens:,} tokens, and {request.model} takes {context_tokens:,} with instruction and answer. "
            "Use a model with a larger context, or `--long-documents split`.",
        )
    parts = split(request.text, room)
    if len(parts) > _MOST_PARTS:
        raise DocumentError(
            Cause.TOO_LONG, f"About {tokens:,} tokens: {len(parts):,} parts, more than {_MOST_PARTS:,} are not asked."
        )
    return parts


def split(text: str, most_tokens: int) -> list[str]:
    """Cut a text into parts of at most so many estimated tokens: between paragraphs where it can, else between lines,
    sentences, words, and only then within a word. Nothing but white space at the cuts is lost.
    """  # noqa: D205
    parts: list[str] = []
    current: list[str] = []
    used = 0
    for piece in _pieces(text, most_tokens, 0):
        tokens = estimated_tokens(piece) + 1
        if current and used + tokens > most_tokens:
            parts.append("".join(current).strip())
            current, used = [], 0
        current.append(piece)
        used += tokens
    parts.append("".join(current).strip())
    return [part for part in parts if part]


_CUTS = (
    re.compile(r"(?<=\n)(?=[^\n])(?<=\n\n)"),
    re.compile(r"(?<=\n)"),
    re.compile(r"(?<=[.!?。！？])(?=\s)|(?<=[。！？])"),  # noqa: RUF001
    re.compile(r"(?<=\s)"),
)


def _pieces(text: str, most_tokens: int, level: int) -> Iterator[str]:
    if estimated_tokens(text) < most_tokens:
        yield text
        return
    if level < len(_CUTS):
        for piece in _CUTS[level].split(text):
            yield from _pieces(piece, most_tokens, level + 1)
        return
    size = max(1, most_tokens // 2 - 1)  # two tokens a character is the worst case of the estimate
    for start in range(0, len(text), size):
        yield text[start : start + size]


def _room(request: Request, context_tokens: int) -> int:
    """Return how many tokens are left for the text."""
    others = estimated_tokens(request.instruction or "") + _schema_tokens(request)
    return context_tokens - min(_LONGEST_ANSWER_TOKENS, context_tokens // _ANSWER_SHARE) - others - 200


def _schema_tokens(request: Request) -> int:
    return 0 if request.output.schema is None else len(to_json(request.output.schema)) // 2


class Long:
    """One long text on its way: all parts are asked side by side, then merged, in rounds where need be."""

    def __init__(self, ask: Callable[[Request], Awaitable[Any]], request: Request, context_tokens: int) -> None:
        self._ask = ask
        self._request = request
        self._room = _room(request, context_tokens) - 150  # the merging instruction's own words

    async def answered(self, parts: list[str]) -> Any:
        """Return the one answer to all parts.

        Raises:
            DocumentError: The answers to the parts are themselves too long to be merged.
            CallError: A part, or the merging, has no usable answer.
        """
        answers = await _all([self._ask(self._part(part, place, len(parts))) for place, part in enumerate(parts, 1)])
        while len(answers) > 1:
            groups = self._groups([_as_text(answer) for answer in answers])
            answers = await _all([self._merged(group) for group in groups])
        return answers[0]

    def _part(self, part: str, place: int, count: int) -> Request:
        note = f"The text is part {place} of {count} of one longer document; answer for this part alone."
        return replace(self._request, text=part, instruction=f"{self._request.instruction or ''}\n\n{note}".strip())

    async def _merged(self, group: list[str]) -> Any:
        note = (
            "The text holds the answers to consecutive parts of one long document, in order, each to the instruction "
            "above. Merge them into one answer to that instruction, for the document as a whole. Do not mention parts."
        )
        text = "\n\n".join(f"Answer {place} of {len(group)}:\n{answer}" for place, answer in enumerate(group, 1))
        return await self._ask(
            replace(self._request, text=text, instruction=f"{self._request.instruction or ''}\n\n{note}".strip())
        )

    def _groups(self, answers: list[str]) -> list[list[str]]:
        groups: list[list[str]] = [[]]
        used = 0
        for answer in answers:
            tokens = estimated_tokens(answer) + 12
            if len(groups[-1]) >= 2 and used + tokens > self._room:
                groups.append([])
                used = 0
            groups[-1].append(answer)
            used += tokens
            if used > self._room:
                raise DocumentError(
                    Cause.TOO_LONG,
                    f"The answers of {self._request.model} to the parts of this text are too long to be merged in one "
                    "call. Ask for shorter answers, or use a model with a larger context.",
                )
        if len(groups) > 1 and len(groups[-1]) == 1:
            groups[-1].insert(0, groups[-2].pop())
        return groups


def _as_text(answer: object) -> str:
    return answer if isinstance(answer, str) else to_json(answer).decode()


async def _all(calls: list[Awaitable[Any]]) -> list[Any]:
    """Wait for all; the first failure cancels the others, so that nothing more is paid for a lost document."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
