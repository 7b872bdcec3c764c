"""What a process counts of its own work, for whoever collects it; nothing is kept where nobody does."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum


class Measure(StrEnum):
    """What is measured, by the name that a dashboard shows.

    Attributes:
        DOCUMENTS: Documents with an outcome, by ``status``.
        MODEL_CALLS: Model calls, by ``model`` and ``outcome`` (``answered``, ``refused`` or ``failed``).
        MODEL_TOKENS: Tokens, by ``model`` and ``direction`` (``input`` or ``output``).
        MODEL_COST: Money, in billionths of a dollar, by ``model``; calls without a known price are not in it.
        EFFECTS: Calls of tools and effects, by ``kind`` and ``outcome`` (``done`` or ``failed``).
        HAND_OFFS: What waits for a person now, in the whole project.
    """

    DOCUMENTS = "outlive_documents"
    MODEL_CALLS = "outlive_model_calls"
    MODEL_TOKENS = "outlive_model_tokens"
    MODEL_COST = "outlive_model_cost_usd_nanos"
    EFFECTS = "outlive_effects"
    HAND_OFFS = "outlive_hand_offs_waiting"


HELP: Mapping[Measure, str] = {
    Measure.DOCUMENTS: "Documents with an outcome",
    Measure.MODEL_CALLS: "Model calls",
    Measure.MODEL_TOKENS: "Tokens of model calls",
    Measure.MODEL_COST: "Price of model calls, in billionths of a dollar",
    Measure.EFFECTS: "Calls of tools and effects",
    Measure.HAND_OFFS: "Hand-offs that wait for a person",
}
GAUGES = frozenset({Measure.HAND_OFFS})
"""What goes up and down: the amount is how many there are, not how many more."""

Collector = Callable[[Measure, int, Mapping[str, str]], None]
_collectors: list[Collector] = []


def is_collected() -> bool:
    """Whether anybody collects what is counted."""
    return bool(_collectors)


def count(measure: Measure, amount: int = 1, **labels: str) -> None:
    """Count something that has happened; of a gauge, say how many there are."""
    for collector in _collectors:
        collector(measure, amount, labels)


def count_answer(model: str, *, input_tokens: int, output_tokens: int, usd_nanos: int | None) -> None:
    """Count a model call that was answered."""
    if not _collectors:
        return
    count(Measure.MODEL_CALLS, model=model, outcome="answered")
    count(Measure.MODEL_TOKENS, input_tokens, model=model, direction="input")
    count(Measure.MODEL_TOKENS, output_tokens, model=model, direction="output")
    if usd_nanos:
        count(Measure.MODEL_COST, usd_nanos, model=model)


@contextmanager
def collected(collector: Collector) -> Iterator[None]:
    """Let a collector have what this process counts, for as long as the block runs."""
    _collectors.append(collector)
    try:
        yield
    finally:
        _collectors.remove(collector)
