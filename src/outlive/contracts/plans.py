"""What plans, their waves, what takes their effects back, and their callers say to each other."""

from dataclasses import dataclass, field
from typing import Any

from outlive.contracts.agents import DecisionTaken


@dataclass(frozen=True, kw_only=True)
class EffectCall:
    """Argument of the activity that makes an effect, or takes one back.

    Attributes:
        name: Of the effect.
        args: JSON, by the name of the parameter.
        options: How it is declared, as the metadata of a tool.
        effect_key: What the ledger is to know it by; None lets its place in the workflow decide.
        is_shadow: Whether it is only to be recorded.
        undoes: Key of the effect that it takes back.
        owner: Agent whose tool that effect was; empty for an effect of a plan.
    """

    name: str
    args: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    effect_key: str | None = None
    is_shadow: bool = False
    undoes: str | None = None
    owner: str = ""


@dataclass(frozen=True, kw_only=True)
class PlanInput:
    """Argument of the plan workflow.

    Attributes:
        plan: Name of the plan in the registry.
        argument: JSON of the plan's input type.
        is_shadow: Whether effects are only recorded.
        wave_calls: Effects after which a wave continues as new.
    """

    plan: str
    argument: Any = None
    is_shadow: bool = False
    wave_calls: int = 500


@dataclass(frozen=True, kw_only=True)
class PlanOutcome:
    """Result of the plan workflow.

    Attributes:
        output: JSON of the plan's output type.
    """

    output: Any = None


@dataclass(frozen=True, kw_only=True)
class FailedItem:
    """An item that a wave could not work off.

    Attributes:
        reason: One sentence for a person.
    """

    item: Any
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Worked:
    """What an effect returns that works items of a wave off and knows which of them failed.

    Attributes:
        failed: The items that failed; all others of the call are done.
    """

    failed: list[FailedItem] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class WaveInput:
    """Argument of the workflow of one wave, and, once continued as new, how far it has come.

    Attributes:
        call: The effect, with what every call of it is given besides its items.
        parameter: Name of the parameter that takes the items.
        items: Worked off first, in their order.
        start: Then the numbers from here …
        stop: … to here, this one not included.
        chunk: Items in one call.
        concurrency: Calls in flight.
        allowed: Failed items with which it still begins further calls.
        reports: Whether the effect returns `Worked`.
        calls_per_run: Calls after which it continues as new.
    """

    call: EffectCall
    parameter: str
    items: list[Any] = field(default_factory=list)
    start: int = 0
    stop: int = 0
    chunk: int
    concurrency: int
    allowed: int
    reports: bool = False
    calls_per_run: int = 500
    done: int = 0
    failed: list[FailedItem] = field(default_factory=list)
    decided: list[DecisionTaken] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class WaveReport:
    """Result of the workflow of one wave.

    Attributes:
        done: Items that were worked off.
        failed: Items that were not.
        items: Items that were not begun, because too many had failed; besides them the numbers from ``start`` on.
    """

    done: int = 0
    failed: list[FailedItem] = field(default_factory=list)
    items: list[Any] = field(default_factory=list)
    start: int = 0
    stop: int = 0

    @property
    def left(self) -> int:
        """Items that were not begun."""
        return len(self.items) + max(0, self.stop - self.start)


@dataclass(frozen=True, kw_only=True)
class UndoneSoFar:
    """How far an undoing has come.

    Attributes:
        undone: Effects that were taken back by it.
        skipped: Keys of effects whose undoing failed and that a person left out.
        left: Effects that it could not take back: they declare no undo, or nobody knows whether they happened.
        after: Key of the effect that was looked at last; empty at the beginning.
        ended_at: When that one had ended; seconds since the epoch.
    """

    undone: int = 0
    skipped: list[str] = field(default_factory=list)
    left: int = 0
    after: str = ""
    ended_at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class UndoInput:
    """Argument of the workflow that takes back what another one has done.

    Attributes:
        workflow_id: Of the run; its child runs are included.
        effects_per_run: Effects after which it continues as new.
    """

    workflow_id: str
    effects_per_run: int = 300
    so_far: UndoneSoFar = field(default_factory=UndoneSoFar)
    decided: list[DecisionTaken] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class UndoOutcome:
    """Result of the workflow that takes effects back.

    Attributes:
        undone: How many effects it took back.
        skipped: Keys of those whose undoing failed and that a person left out.
        left: How many it could not: they declare no undo, or nobody knows whether they happened.
    """

    undone: int = 0
    skipped: list[str] = field(default_factory=list)
    left: int = 0


@dataclass(frozen=True, kw_only=True)
class UndoableQuery:
    """Argument of the activity that looks up what is to be taken back next.

    Attributes:
        limit: The most effects that are returned.
    """

    workflow_id: str
    after: str = ""
    ended_at: float = 0.0
    limit: int = 100


@dataclass(frozen=True, kw_only=True)
class Undoable:
    """What is to be taken back next, the latest first.

    Attributes:
        calls: One for each effect that is to be taken back.
        left: How many of those looked at cannot be.
        after: Key of the last one that was looked at; empty where there is none any more.
        ended_at: When that one had ended.
    """

    calls: list[EffectCall] = field(default_factory=list)
    left: int = 0
    after: str = ""
    ended_at: float = 0.0
