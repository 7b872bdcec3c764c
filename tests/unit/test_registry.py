"""What may be declared as a batch function, and what decides that an answer is the same answer."""

from dataclasses import replace

import pytest
from pydantic import BaseModel

from outlive.contracts.batches import BatchSpec, ReadingOptions
from outlive.errors import AppError
from outlive.registry import BatchFunction, Registry, content_key, recipe_of


class Analysis(BaseModel):
    summary: str


async def analyze(document, llm) -> Analysis:
    """Summarise it."""
    return await llm(document.text)


async def other(document, llm) -> Analysis:
    """Summarise it."""
    return await llm(document.text.upper())


def declared(function=analyze, name="analyze"):
    return BatchFunction.of(function, name=name, model=None, concurrency=8)


SPEC = BatchSpec(batch_id="b", function="analyze", model="offline:extractive")


def test_docstring_and_annotation_are_instruction_and_output_type():
    function = declared()

    assert function.instruction == "Summarise it."
    assert function.output_type is Analysis


def test_a_function_without_annotation_returns_text():
    async def bare(document, llm):
        return "x"

    assert declared(bare).output_type is str
    assert declared(bare).instruction is None


def test_a_sync_function_is_refused():
    def sync(document, llm):
        return "x"

    with pytest.raises(AppError, match="'sync_one' must be declared with `async def`"):
        declared(sync, "sync_one")


async def no_argument():
    pass


async def one_argument(document):
    pass


async def three_arguments(document, llm, more):
    pass


async def keyword_only(document, *, llm):
    pass


@pytest.mark.parametrize("function", [no_argument, one_argument, three_arguments, keyword_only])
def test_a_function_that_cannot_be_called_with_document_and_llm_is_refused(function):
    with pytest.raises(AppError, match="must take two arguments: the document and the llm"):
        declared(function)


def test_a_third_argument_with_a_default_is_fine():
    async def with_default(document, llm, *, loud=False):
        pass

    assert declared(with_default).name == "analyze"


def test_an_annotation_that_names_nothing_is_refused_by_name():
    async def lost(document, llm) -> "Nowhere":  # noqa: F821
        pass

    with pytest.raises(AppError, match=r"annotation of batch function 'lost'.*'Nowhere' is not defined"):
        declared(lost, "lost")


def test_a_name_is_declared_once():
    registry = Registry()
    registry.add_batch(declared())

    with pytest.raises(AppError, match="'analyze' is declared twice"):
        registry.add_batch(declared(other))


def test_an_unknown_name_is_told_the_known_ones():
    registry = Registry()
    with pytest.raises(AppError, match=r"No batch function 'x' is declared\. Declared: none"):
        registry.batch("x")

    registry.add_batch(declared())

    with pytest.raises(AppError, match="Declared: analyze"):
        registry.batch("x")


def test_the_recipe_is_the_same_for_the_same_declaration():
    assert recipe_of(declared(), SPEC) == recipe_of(declared(), replace(SPEC, batch_id="c", concurrency=1, fresh=True))


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "openai:x"},
        {"instruction": "Other."},
        {"output_schema": {"type": "object"}},
        {"long_documents": "refuse"},
        {"reading": ReadingOptions(extract="article")},
    ],
)
def test_whatever_decides_an_answer_changes_the_recipe(changed):
    assert recipe_of(declared(), replace(SPEC, **changed)) != recipe_of(declared(), SPEC)


def test_other_code_under_the_same_name_is_another_recipe():
    assert recipe_of(declared(other), SPEC) != recipe_of(declared(), SPEC)


def test_the_content_key_tells_recipe_text_and_fields_apart():
    keys = {content_key("r", "t", "f"), content_key("r2", "t", "f"), content_key("r", "t2", "f")}

    assert len(keys | {content_key("r", "t", "f2")}) == 4
    assert all(len(key) == 40 for key in keys)
