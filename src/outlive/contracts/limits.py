"""How fast models may be called."""

from dataclasses import dataclass

ANY_MODEL = "*"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How fast all workers of a project together may call a model.

    Attributes:
        requests_per_minute: Calls that are begun, attempts that fail included; None for no limit.
        tokens_per_minute: Input and output together; a call is reckoned at what is expected of it, and set right by
            what it came to. None for no limit.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} is {value}. It must be a number above 0, or None.")
