"""What a page can look at live: a name, and how its state is read."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic_core import to_json

from outlive.api.views import View
from outlive.client import Client

State = View | Sequence[View]
"""What a topic shows: the same that the page's own route returns."""

MARK_BYTES = 12  # of a digest: two states of one topic never have the same by accident


class Argument(StrEnum):
    """Whether a topic has something behind its name, as in ``batch:invoices``."""

    NONE = "none"
    OPTIONAL = "optional"
    NEEDED = "needed"


def digest(state: State) -> str:
    """Return the mark of a state that has none of its own."""
    return hashlib.sha256(to_json(state)).hexdigest()[: 2 * MARK_BYTES]


@dataclass(frozen=True, kw_only=True)
class Topic:
    """Something that is shown live.

    Attributes:
        name: Of the topic, and of its events: without a colon or a comma.
        read: Returns the state as it is now; the argument is "" where there is none. One call at a time for each
            argument, however many pages look. `OutliveError` tells the pages what is wrong.
        argument: Whether there is something behind the name.
        mark: Returns a short text that tells one state from another, in one line: also after a restart of this process.
        since: Returns what has changed in a state since a mark; the whole where the mark is not known to it.
            None always shows the whole.
    """

    name: str
    read: Callable[[Client, str], Awaitable[State]]
    argument: Argument = Argument.NONE
    mark: Callable[[State], str] = digest
    since: Callable[[State, str], State] | None = None
