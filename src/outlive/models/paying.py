"""Who pays for the calls of a batch, as the models see it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from outlive.models.answers import Answer, Request
    from outlive.models.prices import Ceiling

PriceOf = Callable[[int], "Ceiling | None"]
"""What a call of so many tokens of input may cost at most; None where the price is not known."""


@dataclass(frozen=True, kw_only=True)
class Paid:
    """A call that is paid for.

    Attributes:
        output_tokens: The most that it may give; None where nothing limits it.
        receipt: What the payer knows it by.
    """

    output_tokens: int | None = None
    receipt: Any = None


class Payer(Protocol):
    """Pays for each attempt at a call before it is made."""

    async def reserve(self, request: "Request", price: PriceOf) -> Paid:
        """Set aside what the attempt may come to at most.

        Raises:
            BudgetExhausted: If a budget does not pay for it.
        """
        ...

    async def settle(self, paid: Paid, answer: "Answer") -> None:
        """Count what it came to.

        Raises:
            BudgetExhausted: If what was left did not do for a whole answer.
        """
        ...

    async def give_back(self, paid: Paid, error: BaseException) -> None:
        """Give back what was set aside for an attempt that failed, or count it where it may have been billed."""
        ...
