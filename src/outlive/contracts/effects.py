"""What workflows and workers say to each other about effects."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class SettleEffect:
    """Argument of the activity that takes down what a person decided about an effect.

    Attributes:
        effect_key: Which one.
        verdict: ``done``, ``retry`` or ``failed``.
        value: What it returned, JSON, where it is said to be done.
        by: Who decided.
    """

    effect_key: str
    verdict: str
    value: Any = None
    by: str = ""
