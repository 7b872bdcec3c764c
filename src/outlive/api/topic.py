"""What a page can look at live: a name, and how its state is read."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic_core import to_json

from outlive.api.views import View
from outlive.client import Client

Shown = View | Sequence[View]
"""What a page gets: the same that its own route returns."""

MARK_BYTES = 12  # of a digest: two states of one topic never have the same by accident


class Argument(StrEnum):
    """Whether a topic has something behind its name, as in ``batch:invoices``."""

    NONE = "none"
    OPTIONAL = "optional"
    NEEDED = "needed"


def digest(shown: Shown) -> str:
    """Return the mark of a state that has none of its own."""
    return hashlib.sha256(to_json(shown)).hexdigest()[: 2 * MARK_BYTES]


def as_it_is(state: Any) -> Shown:
    """Return a state that was read as it is shown."""
    shown: Shown = state
    return shown


@dataclass(frozen=True, kw_only=True)
class Topic:
    """Something that is shown live.

    Attributes:
        name: Of the topic, and of its events: without a colon or a comma.
        read: Returns the state as it is now; the argument is "" where there is none. One call at a time for each
            argument, however many pages look. `OutliveError` tells the pages what is wrong.
        argument: Whether there is something behind the name.
        show: Returns what pages get of a state; asked only where a page lacks it.
        mark: Returns a short text in one line that tells one state from another, also after a restart of this process.
            None takes a digest of what is shown.
        since: Returns the state as the changes since a mark; the whole where that mark is not known to it.
            None always shows the whole.
    """

    name: str
    read: Callable[[Client, str], Awaitable[Any]]
    argument: Argument = Argument.NONE
    show: Callable[[Any], Shown] = as_it_is
    mark: Callable[[Any], str] | None = None
    since: Callable[[Client, Any, str], Any] | None = None

    def marked(self, state: Any) -> str:
        """Return the mark of a state."""
        return digest(self.show(state)) if self.mark is None else self.mark(state)

    def json(self, state: Any) -> bytes:
        """Return a state as its pages get it."""
        return to_json(self.show(state))
