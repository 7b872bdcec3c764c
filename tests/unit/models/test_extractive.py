import sys
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel

from outlive.errors import AnswerInvalid, ModelUnusable
from outlive.models.answers import Request
from outlive.models.extractive import check_output, extract
from outlive.models.outputs import TEXT, prepare_output, schema_for_fields

TEXT_OF_BEES = """# On bees

Honey bees live in colonies and every colony has one queen. The queen lays the eggs of the whole colony. It rained.
Worker bees gather nectar, and the bees of a colony turn nectar into honey. Honey keeps the colony fed in winter.

Nobody in this village remembers the name of the man who first kept them here.
"""


def test_the_answer_is_sentences_of_the_text_in_their_order():
    answer = extract(TEXT_OF_BEES, TEXT)

    sentences = [sentence.strip() + "." for sentence in answer.rstrip(".").split(".")]
    places = [" ".join(TEXT_OF_BEES.split()).index(sentence) for sentence in sentences]
    assert 2 <= len(sentences) <= 3
    assert places == sorted(places)


def test_the_answer_is_the_same_each_time():
    assert extract(TEXT_OF_BEES, TEXT) == extract(TEXT_OF_BEES, TEXT)


def test_summary_title_and_topics_are_filled_from_the_text():
    output = prepare_output(schema_for_fields(["title", "summary", "topics", "key_points"]))

    answer = output.parse(extract(TEXT_OF_BEES, output))

    assert answer["title"] == "On bees"
    assert answer["summary"] == extract(TEXT_OF_BEES, TEXT)
    assert {"colony", "bees"} <= set(answer["topics"])
    assert all(point in " ".join(TEXT_OF_BEES.split()) for point in answer["key_points"])


class Guess(BaseModel):
    summary: str
    sentiment: Literal["good", "bad"]


class Careful(BaseModel):
    summary: str
    author: str | None = None
    pages: int | None = None


def test_what_it_cannot_know_it_does_not_make_up():
    with pytest.raises(AnswerInvalid, match="'sentiment'"):
        extract(TEXT_OF_BEES, prepare_output(Guess))


def test_an_optional_field_that_it_cannot_know_stays_empty():
    output = prepare_output(Careful)

    answer = output.parse(extract(TEXT_OF_BEES, output))

    assert (answer.author, answer.pages) == (None, None)


@pytest.mark.parametrize("kind", [list[str], dict[str, list[str]]])
def test_a_bare_list_holds_topics_and_a_bare_mapping_nothing(kind):
    output = prepare_output(kind)

    assert output.parse(extract(TEXT_OF_BEES, output)) in (
        ["bees", "colony", "honey", "nectar", "queen", "colonies"],
        {},
    )


@pytest.mark.parametrize("text", ["", "x", "\n\n", "1234 5678", "no full stop here", "蜜蜂住在蜂群里。" * 3, "😀" * 50])
def test_any_text_has_an_answer(text):
    extract(text, TEXT)
    output = prepare_output(schema_for_fields(["summary", "topics"]))
    output.parse(extract(text, output))


def test_a_very_long_text_is_not_read_through():
    visited = 0

    def count(*_: object) -> None:
        nonlocal visited
        visited += 1

    def work(text: str) -> int:
        nonlocal visited
        visited = 0
        sys.setprofile(count)
        try:
            extract(text, TEXT)
        finally:
            sys.setprofile(None)
        return visited

    source = Path(extract.__code__.co_filename).read_text(encoding="utf-8") * 4
    assert work(source * 40) <= work(source) * 1.5


async def test_it_is_labelled_costs_nothing_and_needs_no_key(models, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    await models.prepare("offline:extractive")
    await models.check("offline:extractive")

    answer = await models.ask(Request(model="offline:extractive", text=TEXT_OF_BEES))

    assert (answer.model, answer.usd_nanos, answer.finish_reason) == ("offline:extractive", 0, "stop")


def test_fields_that_no_sentence_can_fill_are_refused_before_anything_starts():
    check_output(prepare_output(schema_for_fields(["summary", "topics"])))

    with pytest.raises(ModelUnusable, match="cannot know the field 'claim'"):
        check_output(prepare_output(schema_for_fields(["summary", "claim"])))
