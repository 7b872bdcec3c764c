"""When a delivery that has failed is tried again."""

import random
from dataclasses import dataclass

FIRST_PAUSE = 5.0  # seconds: a receiver that is being restarted
MOST_ASKED_FOR = 3_600.0  # seconds of a Retry-After that are heeded


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Pauses that double, up to a longest one, each drawn from its upper half so that receivers are not stormed.

    Attributes:
        longest: Seconds between two attempts.
        lasts: Seconds after which a failure parks the delivery.
    """

    longest: float = 3_600.0
    lasts: float = 3 * 86_400.0

    def pause(self, failures: int, *, retry_after: float | None = None) -> float:
        """Return the seconds until the next attempt.

        Args:
            failures: Attempts that have failed, this one included.
            retry_after: What the receiver asks for; it is never asked earlier.
        """
        whole = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 30), self.longest)
        drawn = whole * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret
        return max(drawn, retry_after or 0.0)
