"""``offline:extractive``: a small summariser that works without network, key or model.

It picks the sentences whose words the text uses most, and the most frequent words. It understands nothing, says so
by its name on every answer, costs nothing and gives the same answer each time. It looks at the first
`_HEAD` characters of a text and at its last `_TAIL`, so that its time is bounded.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from outlive.contracts.outcomes import Cause
from outlive.errors import AnswerInvalid, ModelUnusable
from outlive.models.outputs import WRAPPED, Output
from outlive.names import OFFLINE_MODEL

_HEAD = 16_000
_TAIL = 4_000
_MOST_SENTENCES = 240
_LONGEST_SENTENCE = 320
_SHORTEST_SENTENCE = 25
_SUMMARY_SENTENCES = 3
_KEY_SENTENCES = 5
_KEYWORDS = 6
_TITLE_LENGTH = 100

_WORD = re.compile(r"[^\W\d_]{3,}")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[^\W\d_a-z])|(?<=[。！？])|\n\s*\n")  # noqa: RUF001
_FULL_STOPS = frozenset(".!?。！？")  # noqa: RUF001
_STOP_WORDS = frozenset(
    _WORD.findall(
        """
        the and for that with this from are was were not but have has had its his her they them their there
        which who will would can could should may might must shall been being into onto than then also such
        when where what how all any each some most more other one two only over under between about after
        before out our your you she him per via use used using does did done just very these those both
        either neither while because since until upon within without der die das und ist von den des dem ein
        eine nicht mit auf für sich als auch les des est une dans pour que qui pas sur par plus avec los las
        del una con por para como self def return none true false class import elif else raise int str len
        args kwargs print
        """
    )
)
_TEXTUAL = re.compile(r"summar|abstract|synopsis|overview|gist|tldr|description|content|^text$|^answer$|^response$")
_TITLES = re.compile(r"title|heading|headline|^name$|^subject$")
_WORDY = re.compile(r"topic|keyword|tag|theme|term|subject|concept|categor|^response$")
_SENTENTIOUS = re.compile(r"point|highlight|sentence|fact|finding|takeaway|statement|quote|claim|summar")


def extract(text: str, output: Output) -> str:
    """Return the extractive answer: plain text, or JSON text that fits the output's schema.

    Raises:
        AnswerInvalid: The schema wants something that cannot be taken from the text word for word; the field is
            named.
    """
    found = _Findings(text)
    if output.schema is None:
        return found.summary()
    return json.dumps(_filled(output.schema, output.schema, found), ensure_ascii=False)


def fill(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties of a JSON schema of an object, taken from a text.

    Raises:
        AnswerInvalid: It requires something that cannot be taken from the text word for word; the field is named.
    """
    return _filled(schema, schema, _Findings(text))


def summarise(text: str, sentences: int) -> str:
    """Return the text's best sentences, in its order; the beginning of a text that has none."""
    found = _Findings(text)
    return " ".join(found.best(sentences)) or found.summary()


def telling_words(text: str) -> list[str]:
    """Return the words of a text that say something, in small letters and in its order."""
    return [word for word in map(str.lower, _WORD.findall(text)) if word not in _STOP_WORDS]


def check_output(output: Output) -> None:
    """Make sure, before anything starts, that answers of this kind can be taken out of a text at all.

    Raises:
        ModelUnusable: The schema wants something that they cannot hold; the field is named.
    """
    try:
        extract("This is a sentence about extraction. This is another sentence about extraction.", output)
    except AnswerInvalid as error:
        raise ModelUnusable(error.reason) from error


class _Findings:
    """What can be said of a text without understanding it."""

    def __init__(self, text: str) -> None:
        if len(text) > _HEAD + _TAIL:
            text = f"{text[:_HEAD]}\n\n{text[-_TAIL:]}"
        self._text = text
        self._counts = Counter(word for word in map(str.lower, _WORD.findall(text)) if word not in _STOP_WORDS)
        self._sentences = list(_sentences(text))

    def best(self, count: int) -> list[str]:
        """Return the sentences that carry the text's own frequent words, in the order of the text."""
        ranked = sorted(range(len(self._sentences)), key=lambda place: (-self._score(place), place))
        return [self._sentences[place] for place in sorted(ranked[:count])]

    def summary(self) -> str:
        """Return the best sentences as one text, or the beginning of a text that has none."""
        chosen = self.best(_SUMMARY_SENTENCES)
        return " ".join(chosen) if chosen else " ".join(self._text.split())[:_LONGEST_SENTENCE]

    def keywords(self, count: int = _KEYWORDS) -> list[str]:
        """Return the most frequent words."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return [word for word, _ in ranked[:count]]

    def title(self) -> str:
        """Return the first line that says something."""
        for line in self._text.splitlines():
            plain = line.strip(" #*=-_\t\"'")
            if len(plain) > 2:
                return plain[:_TITLE_LENGTH]
        return self._text.strip()[:_TITLE_LENGTH]

    def _score(self, place: int) -> float:
        words = [word for word in map(str.lower, _WORD.findall(self._sentences[place])) if word not in _STOP_WORDS]
        if not words:
            return 0.0
        sentence = self._sentences[place]
        early = 1.0 + 0.5 / (1 + place)
        prose = 1.0 if sentence[-1] in _FULL_STOPS else 0.2
        signs = sum(not (sign.isalnum() or sign == " ") for sign in sentence) / len(sentence)
        return (
            early
            * prose
            * max(0.05, 1.0 - 5 * signs)
            * sum(self._counts[word] for word in set(words))
            / (len(words) + 6)
        )


def _sentences(text: str) -> Sequence[str]:
    found: dict[str, None] = {}
    for piece in _SENTENCE_END.split(text):
        sentence = " ".join(piece.split())
        shortest = _SHORTEST_SENTENCE if sentence.isascii() else _SHORTEST_SENTENCE // 3
        if shortest <= len(sentence) <= _LONGEST_SENTENCE:
            found[sentence] = None
            if len(found) >= _MOST_SENTENCES:
                break
    return list(found)


def _filled(schema: Mapping[str, Any], root: Mapping[str, Any], found: _Findings) -> dict[str, Any]:
    required = schema.get("required", [])
    answer = {}
    for name, field_schema in schema.get("properties", {}).items():
        value = _value(name, _resolved(field_schema, root), root, found)
        if value is not None or _allows_null(field_schema):
            answer[name] = value
        elif name in required:
            what = "this output type" if name == WRAPPED else f"the field {name!r}"
            raise AnswerInvalid(
                Cause.INVALID_ANSWER,
                f"{OFFLINE_MODEL} cannot know {what}: it only takes sentences and words out of the text. "
                "Name a model, as in `--model openai:gpt-5-mini`, or ask for fields such as summary, title, topics.",
            )
    return answer


def _resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(schema, Mapping):
        return {}
    if "$ref" in schema:
        target: Any = root
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target.get(step, {}) if isinstance(target, Mapping) else {}
        return target if isinstance(target, Mapping) else {}
    for alternative in schema.get("anyOf", ()):
        if isinstance(alternative, Mapping) and alternative.get("type") in {"string", "array"}:
            return alternative
    return schema


def _allows_null(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    kinds = schema.get("type")
    return "null" in (kinds if isinstance(kinds, list) else [kinds]) or any(
        isinstance(item, Mapping) and item.get("type") == "null" for item in schema.get("anyOf", ())
    )


def _value(name: str, schema: Mapping[str, Any], root: Mapping[str, Any], found: _Findings) -> Any:
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return None
    kind = schema.get("type")
    if kind == "string":
        return _string(name.lower(), schema, found)
    if kind == "array":
        items = _resolved(schema.get("items", {}), root)
        return _list(name.lower(), schema, found) if items.get("type", "string") == "string" else None
    return None


def _string(name: str, schema: Mapping[str, Any], found: _Findings) -> str | None:
    if _TITLES.search(name):
        value = found.title()
    elif _TEXTUAL.search(name):
        value = found.summary()
    else:
        return None
    return value[: schema.get("maxLength", len(value))]


def _list(name: str, schema: Mapping[str, Any], found: _Findings) -> list[str] | None:
    if "enum" in (schema.get("items") or {}):
        return None
    if _SENTENTIOUS.search(name):
        values = found.best(_KEY_SENTENCES)
    elif _WORDY.search(name):
        values = found.keywords()
    else:
        return None
    return values[: schema.get("maxItems", len(values))]
