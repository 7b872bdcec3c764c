"""The effect that the next activity of this workflow code goes on with, rather than beginning one of its own."""

from contextvars import ContextVar

continued_effect: ContextVar[str | None] = ContextVar("outlive_continued_effect", default=None)
"""Its key: set around a call that is made again because a person decided so."""
