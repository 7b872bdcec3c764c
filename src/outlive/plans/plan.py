"""`Plan`: what the function of a plan reaches the world through. All of it is workflow code."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from temporalio import workflow

from outlive.contracts.agents import Choice, Decision, HandOffKind
from outlive.contracts.events import EventKind
from outlive.contracts.hand_offs import HandOffPolicy
from outlive.contracts.plans import EffectCall, PlanInput, UndoOutcome
from outlive.effects.calling import EffectFunction
from outlive.errors import AppError, EffectFailed, PlanFailed
from outlive.plans.waves import WavesResult, WavesWanted, work_waves
from outlive.workflows import policies
from outlive.workflows.effects import is_history_full, make_effect
from outlive.workflows.handoff import HandOffs


class PlanHost(Protocol):
    """The plan workflow, for the plan that it runs.

    Attributes:
        in_flight: Effects and waves that have begun and not ended.
    """

    input: PlanInput
    hand_offs: HandOffs
    in_flight: int

    async def note(self, kind: EventKind, **data: Any) -> None:
        """Tell the readers of the run of something."""
        ...

    async def undo(self) -> UndoOutcome:
        """Take back what was done so far."""
        ...


class Plan:
    """One run of a plan, in its own code: its effects, waits, waves and questions."""

    def __init__(self, host: PlanHost, *, effects: Mapping[str, EffectFunction], agents: Mapping[str, Any]) -> None:
        self._host = host
        self._effects = effects
        self._agents = agents
        self._waves = 0

    @property
    def id(self) -> str:
        """Workflow id of the run: ``plan/migrate/customers``."""
        return workflow.info().workflow_id

    @property
    def is_shadow(self) -> bool:
        """Whether effects are only recorded: a rehearsal."""
        return self._host.input.is_shadow

    def now(self) -> datetime:
        """Return the time, the same on every replay; never read the clock in a plan."""
        return workflow.now()

    async def effect(self, function: Callable[..., Any], **arguments: Any) -> Any:
        """Make an effect, and return its result.

        Args:
            function: Declared with ``@app.effect(...)``, or one of ``App(effects=[...])``.
            arguments: Of the function, by name.

        Returns:
            A value of the function's return annotation. In shadow mode what its ``shadow=`` function returns, or None.

        Raises:
            EffectFailed: If it failed for good, was not allowed, or a person decided that it failed.
            PlanFailed: If the plan's history has no room for more.
            AppError: If the function is no effect of the app, or does not take such arguments.
        """
        found = self._found(function)
        args = found.as_json(arguments)
        if is_history_full(policies.PLAN_EVENTS):
            raise PlanFailed(
                f"The plan has come to {policies.PLAN_EVENTS:,} events of history, and {found.name!r} was not begun. "
                "Let `plan.waves` work many items off."
            )
        await self._allowed(found, args)
        call = EffectCall(name=found.name, args=args, options=found.options, is_shadow=self.is_shadow)
        self._host.in_flight += 1
        try:
            result = await make_effect(call, self._host.hand_offs)
        finally:
            self._host.in_flight -= 1
        return None if result is None and self.is_shadow else found.results.validate_python(result)

    async def waves(
        self,
        items: Sequence[Any] | int,
        *,
        each: Callable[..., Any],
        arguments: Mapping[str, Any] | None = None,
        shares: Sequence[float] = (0.01, 0.1, 1.0),
        chunk: int = 100,
        concurrency: int = 4,
        failure_bound: float = 0.02,
    ) -> WavesResult:
        """Work items off in waves, each larger than the one before, by effects that take a list of them.

        When more of a wave fails than ``failure_bound``, no further chunk of it is begun, and a person is asked: go on
        (until as many more have failed), retry those that failed, undo, or stop. In shadow mode nobody is asked.

        Args:
            items: JSON values; or a count, for the numbers from 0 on.
            each: An effect whose first parameter takes a list of items. All of a call that fails have failed; one that
                returns `Worked` says which have.
            arguments: What each call is given besides, by name.
            shares: Of all items, up to which each wave comes; the last is 1.
            chunk: Items in one call.
            concurrency: Calls in flight.
            failure_bound: Failed items of a wave, as a share of it.

        Raises:
            PlanFailed: If a person decided to undo.
            AppError: If something given cannot be.
        """
        found = self._found(each)
        if found.declaration.approve:
            raise AppError(
                f"The effect {found.name!r} wants approval call by call. Waves ask once: by `plan.hand_off`."
            )
        given = found.as_json({found.first_parameter: [], **(arguments or {})})
        self._waves += 1
        wanted = WavesWanted(
            name=f"waves-{self._waves}" if self._waves > 1 else "waves",
            call=EffectCall(name=found.name, args=given, options=found.options, is_shadow=self.is_shadow),
            parameter=found.first_parameter,
            items=items if isinstance(items, int) else to_jsonable_python(list(items)),
            shares=shares,
            chunk=chunk,
            concurrency=concurrency,
            failure_bound=failure_bound,
            reports=found.reports_failures,
        )
        return await work_waves(wanted, self._host)

    async def hand_off(
        self,
        question: str,
        *,
        choices: Sequence[str] = (Choice.ANSWER,),
        value: Any = None,
        about: Mapping[str, Any] | None = None,
        policy: HandOffPolicy | None = None,
    ) -> Decision:
        """Ask a person, and wait, for months where it must be; costs nothing meanwhile.

        In shadow mode nobody is asked: the first choice is taken, without a value.

        Args:
            question: One sentence.
            choices: What can be decided, the first being the usual one.
            value: Type of the value that goes with the decision; None takes none, or any.
            about: What is needed to decide, JSON.
            policy: When to remind, escalate and expire.
        """
        if self.is_shadow:
            await self.log(f"Would ask: {question}", choices=[str(choice) for choice in choices])
            return Decision(choice=str(choices[0]), by="shadow")
        adapter: TypeAdapter[Any] | None = None if value is None else TypeAdapter(value)

        def check(decision: Decision) -> str | None:
            if adapter is None or (decision.value is None and decision.choice != Choice.ANSWER):
                return None
            try:
                adapter.validate_python(decision.value)
            except ValidationError as error:
                return f"The value does not fit: {error}"
            return None

        return await self._host.hand_offs.ask(
            question,
            choices=[str(choice) for choice in choices],
            subject=self._host.input.plan,
            kind=HandOffKind.QUESTION,
            about=to_jsonable_python(dict(about or {}))
            | ({} if adapter is None else {"schema": adapter.json_schema()}),
            policy=policy,
            check=check,
        )

    async def sleep(self, time: timedelta | float) -> None:
        """Wait, in seconds or a timedelta: days cost nothing. In shadow mode it returns at once."""
        seconds = time.total_seconds() if isinstance(time, timedelta) else time
        if self.is_shadow:
            await self.log(f"Would wait for {timedelta(seconds=seconds)}")
        else:
            await workflow.sleep(seconds)

    async def agent(self, agent: Any, prompt: str) -> Any:
        """Let an agent of the app work on a prompt, as a child run; return its output as JSON.

        In shadow mode it is not run, and None is returned.

        Args:
            agent: The agent, or its name.

        Raises:
            AppError: If the app has no such agent.
        """
        name = agent if isinstance(agent, str) else agent.name or ""
        if name not in self._agents:
            raise AppError(f"No agent {name!r} is declared. Give it to `App(agents=[...])`.")
        if self.is_shadow:
            await self.log(f"Would let the agent {name!r} work", prompt=prompt)
            return None
        from outlive.agents.sub_agents import child_run  # Pydantic AI takes seconds to import: not for every client

        async def tell(kind: EventKind, _: str, /, **data: Any) -> None:
            await self._host.note(kind, **data)

        outcome = await child_run(self._agents[name], prompt, tell=tell)
        return outcome.output

    async def undo(self) -> UndoOutcome:
        """Take back what the plan has done so far, the latest first. In shadow mode nothing was done."""
        return UndoOutcome() if self.is_shadow else await self._host.undo()

    async def log(self, text: str, **data: Any) -> None:
        """Tell the readers of the run how it gets on.

        Args:
            text: One sentence for a person.
            data: Further values, JSON.
        """
        await self._host.note(EventKind.LOGGED, text=text, **to_jsonable_python(data))

    def _found(self, function: Callable[..., Any]) -> EffectFunction:
        found = self._effects.get(getattr(function, "__name__", ""))
        if found is None or found.function is not function:
            raise AppError(
                f"{getattr(function, '__name__', function)!r} is no effect of the app. "
                "Declare it with `@app.effect(...)`, or give it to `App(effects=[...])`."
            )
        return found

    async def _allowed(self, found: EffectFunction, args: dict[str, Any]) -> None:
        """Ask a person where the effect is declared so.

        Raises:
            EffectFailed: If it is denied.
        """
        if self.is_shadow or not found.declaration.wants_approval(args):
            return
        decision = await self._host.hand_offs.ask(
            f"May the plan make the effect {found.name!r}?",
            choices=[Choice.APPROVE, Choice.DENY],
            subject=found.name,
            kind=HandOffKind.APPROVAL,
            about={"tool": found.name, "args": args},
        )
        if decision.choice != Choice.APPROVE:
            said = f": {decision.note}" if decision.note else ""
            raise EffectFailed(f"{decision.by or 'A person'} did not allow {found.name!r}{said}.", effect=found.name)
