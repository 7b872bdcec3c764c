"""What ``outlive doctor`` says of one precondition."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a finding is to be taken."""

    GOOD = "good"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One precondition: what was found and, where it is not well, what to do."""

    name: str
    state: State
    found: str
    mend: str = ""
