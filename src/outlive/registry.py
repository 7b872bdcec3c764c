"""What one process serves, by name: filled by ``App``, read by workers and clients."""

import hashlib
import inspect
import json
import typing
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from outlive.contracts.agents import Speech, Turn, TurnResult
from outlive.contracts.batches import BatchSpec
from outlive.contracts.budgets import BudgetScope
from outlive.contracts.hand_offs import HandOffNews
from outlive.contracts.limits import Limit
from outlive.contracts.notifications import Target
from outlive.errors import AppError

BatchCallable = Callable[..., Awaitable[Any]]
"""``async def function(document, llm) -> result``."""


@dataclass(frozen=True, kw_only=True)
class BatchFunction:
    """A batch function as its user declared it.

    Attributes:
        model: Model where the caller names none; None leaves it to the settings.
        instruction: What ``llm`` is told to do with a text, unless told otherwise: the function's docstring.
        output_type: What ``llm`` returns unless told otherwise: the function's return annotation.
        concurrency: Documents in flight over all workers.
    """

    name: str
    function: BatchCallable
    model: str | None = None
    instruction: str | None = None
    output_type: Any = str
    concurrency: int = 64

    @classmethod
    def of(cls, function: BatchCallable, *, name: str, model: str | None, concurrency: int) -> "BatchFunction":
        """Read name, instruction and output type off a function.

        Raises:
            AppError: If it is not an async function of a document and an ``llm``.
        """
        if not inspect.iscoroutinefunction(function):
            raise AppError(f"Batch function {name!r} must be declared with `async def`.")
        try:
            inspect.signature(function).bind(None, None)
        except TypeError as error:
            raise AppError(f"Batch function {name!r} must take two arguments: the document and the llm.") from error
        try:
            output_type = typing.get_type_hints(function).get("return", str)
        except (NameError, TypeError) as error:
            raise AppError(
                f"An annotation of batch function {name!r} cannot be read: {error}. "
                "Declare at the top level of the module, or import, what it names."
            ) from error
        return cls(
            name=name,
            function=function,
            model=model,
            instruction=inspect.getdoc(function),
            output_type=output_type,
            concurrency=concurrency,
        )

    @property
    def code_digest(self) -> str:
        """Digest of the function's own source text: another text is another function, though helpers are not seen."""
        try:
            text = inspect.getsource(self.function)
        except OSError:
            text = self.function.__qualname__
        return hashlib.sha256(text.encode()).hexdigest()


def recipe_of(function: BatchFunction, spec: BatchSpec) -> str:
    """Return the digest of all that decides an answer besides the document itself.

    Returns:
        40 hexadecimal characters.
    """
    parts = (
        function.name,
        function.code_digest,
        spec.model,
        spec.instruction or function.instruction or "",
        json.dumps(spec.output_schema, sort_keys=True),
        spec.long_documents,
        spec.reading.extract,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def content_key(recipe: str, text_digest: str, fields: str) -> str:
    """Return the key under which an answer is found again for the same content and recipe.

    Returns:
        40 hexadecimal characters.
    """
    return hashlib.sha256(f"{recipe}\0{text_digest}\0{fields}".encode()).hexdigest()[:40]


@dataclass(kw_only=True)
class Registry:
    """What an app declares.

    Attributes:
        plans: `outlive.plans.declaring.PlanFunction` by name.
        effects: `outlive.effects.calling.EffectFunction` by name: what plans may do to the outside world.
        on_hand_off: Called with what happens to hand-offs.
        notify: Who is told of all runs, batches and plans.
    """

    batches: dict[str, BatchFunction] = field(default_factory=dict)
    agents: dict[str, Any] = field(default_factory=dict)
    plans: dict[str, Any] = field(default_factory=dict)
    effects: dict[str, Any] = field(default_factory=dict)
    workflows: Sequence[type] = ()
    activities: Sequence[Callable[..., Any]] = ()
    on_hand_off: Callable[[HandOffNews], Awaitable[None]] | None = None
    app: str = "outlive"
    budgets: Sequence[BudgetScope] = ()
    prices: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)
    versioning: str = "pinned"
    priorities: Mapping[str, int] = field(default_factory=dict)
    notify: Sequence[Target] = ()

    def add_batch(self, declared: BatchFunction) -> None:
        """Register a batch function.

        Raises:
            AppError: If the name is taken.
        """
        if declared.name in self.batches:
            raise AppError(f"Batch function {declared.name!r} is declared twice. Give one of them another name.")
        self.batches[declared.name] = declared

    def add_agent(self, name: str | None, agent: object) -> None:
        """Register an agent.

        Raises:
            AppError: If it has no name, one with a slash in it, or one that is taken.
        """
        if not name:
            raise AppError("An agent of an app needs a name: `Agent(..., name='support')`. Runs are found by it.")
        if "/" in name:
            raise AppError(f"The agent name {name!r} has a slash in it, which separates agent and run id. Take it out.")
        if name in self.agents:
            raise AppError(f"Two agents are named {name!r}. Give one of them another name.")
        self.agents[name] = agent

    def add_plan(self, name: str, plan: object) -> None:
        """Register a plan.

        Raises:
            AppError: If the name is taken.
        """
        if name in self.plans:
            raise AppError(f"Plan {name!r} is declared twice. Give one of them another name.")
        self.plans[name] = plan

    def add_effect(self, name: str, effect: object) -> None:
        """Register an effect for plans.

        Raises:
            AppError: If the name is taken.
        """
        if name in self.effects:
            raise AppError(f"Two effects are named {name!r}. The ledger knows them by it: rename one of the functions.")
        self.effects[name] = effect

    def plan(self, name: str) -> Any:
        """Return a plan by name.

        Raises:
            AppError: If the app declares none of this name.
        """
        if name not in self.plans:
            known = ", ".join(sorted(self.plans)) or "none"
            raise AppError(f"No plan {name!r} is declared. Declared: {known}.")
        return self.plans[name]

    def plan_name(self, function: Callable[..., Any]) -> str:
        """Return the name under which a function was declared as a plan.

        Raises:
            AppError: If it was not.
        """
        for name, plan in self.plans.items():
            if plan.function is function:
                return name
        raise AppError(f"{getattr(function, '__name__', function)!r} is no plan of the app. Put `@app.plan` on it.")

    def agent(self, name: str) -> Any:
        """Return an agent by name.

        Raises:
            AppError: If the app declares none of this name.
        """
        if name not in self.agents:
            known = ", ".join(sorted(self.agents)) or "none"
            raise AppError(f"No agent {name!r} is declared. Declared: {known}.")
        return self.agents[name]

    def batch(self, name: str) -> BatchFunction:
        """Return a batch function by name.

        Raises:
            AppError: If this process does not serve it.
        """
        if name not in self.batches:
            known = ", ".join(sorted(self.batches)) or "none"
            raise AppError(f"No batch function {name!r} is declared. Declared: {known}.")
        return self.batches[name]


class ServedAgent(Protocol):
    """An agent as the agent workflow sees it."""

    name: str

    async def run_turn(self, turn: Turn) -> TurnResult:
        """Work on one turn, in workflow code: models and tools are reached through activities."""
        ...

    def speak(self, turn: Turn, speech: Speech) -> TurnResult:
        """Let a person's words be what the turn ends with."""
        ...


class ServedPlan(Protocol):
    """A plan as the plan workflow sees it."""

    name: str
    undoes_on_failure: bool

    async def run(self, host: Any, argument: Any) -> Any:
        """Run it in workflow code; return its output as JSON."""
        ...


_served: dict[str, ServedAgent] = {}
_plans: dict[str, ServedPlan] = {}
_failures: tuple[type[Exception], ...] = ()


def serve_agents(agents: Iterable[ServedAgent], *, failures: tuple[type[Exception], ...] = ()) -> None:
    """Let the workflows of this process find these agents, and no others.

    Args:
        agents: What a worker of this process serves.
        failures: What an agent raises when a run has failed, rather than its code.
    """
    global _failures  # noqa: PLW0603 - one process serves one app; workflows have no other way to it
    _served.clear()
    _served.update({agent.name: agent for agent in agents})
    _failures = failures


def served_agent(name: str) -> ServedAgent:
    """Return an agent that this process serves.

    Raises:
        AppError: If it does not; the workflow task is then tried again until a worker comes that does.
    """
    if name not in _served:
        known = ", ".join(sorted(_served)) or "none"
        raise AppError(f"This worker serves no agent {name!r}, only: {known}. Run a worker whose app declares it.")
    return _served[name]


def failure_types() -> tuple[type[Exception], ...]:
    """Return what an agent raises when a run has failed, rather than its code."""
    return _failures


def serve_plans(plans: Iterable[ServedPlan]) -> None:
    """Let the workflows of this process find these plans, and no others."""
    _plans.clear()
    _plans.update({plan.name: plan for plan in plans})


def served_plan(name: str) -> ServedPlan:
    """Return a plan that this process serves.

    Raises:
        AppError: If it does not; the workflow task is then tried again until a worker comes that does.
    """
    if name not in _plans:
        known = ", ".join(sorted(_plans)) or "none"
        raise AppError(f"This worker serves no plan {name!r}, only: {known}. Run a worker whose app declares it.")
    return _plans[name]
