"""What a user declares: an app, its agents and batch functions, and plain Temporal workflows and activities."""

import asyncio
import importlib
import inspect
import sys
import sysconfig
import traceback
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from outlive.contracts.budgets import Budget, app_key, tenant_key
from outlive.contracts.limits import Limit
from outlive.contracts.notifications import Notify, targets_of
from outlive.documents.document import Document
from outlive.errors import AppError
from outlive.models.llm import Llm
from outlive.names import ANALYZE_FUNCTION
from outlive.registry import BatchCallable, BatchFunction, Registry

if TYPE_CHECKING:
    from pydantic_ai import Agent

    from outlive.effects.declaring import Check, Undo

F = TypeVar("F", bound=BatchCallable)
H = TypeVar("H", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")

GIVE_AS = "Give the app as MODULE:APP, such as `analyze:app`."
STDLIB = Path(sysconfig.get_path("stdlib"))


class App:
    """An application: one name, and what its workers serve.

    Plain Temporal code is welcome: workflows and activities given here are served as they are.
    """

    def __init__(
        self,
        name: str,
        *,
        agents: "Sequence[Agent[Any, Any]]" = (),
        workflows: Sequence[type] = (),
        activities: Sequence[Callable[..., Any]] = (),
        budget: Budget | None = None,
        tenants: Mapping[str, Budget] | None = None,
        prices: Mapping[str, Mapping[str, Any]] | None = None,
        effects: Sequence[Callable[..., Any]] = (),
        limits: Mapping[str, Limit] | None = None,
        versioning: str = "pinned",
        priorities: Mapping[str, int] | None = None,
        notify: Notify = None,
    ) -> None:
        """Declare an app; nothing is started.

        Args:
            name: Name of the app.
            agents: Pydantic AI agents, each with a name and the capability `Durable`.
            workflows: Temporal workflows of your own.
            activities: Temporal activities of your own.
            budget: The most that all its runs and batches may spend together.
            tenants: The most that may be spent on behalf of each tenant, by its name.
            prices: Dollars per million tokens of models that Outlive does not know, as docs/money.md has them.
            effects: Functions declared with ``@effect(...)`` that plans may call; see also `effect`.
            limits: How fast all workers together may call a model, by its name, such as ``openai:gpt-5``.
            versioning: Where workers have versions: ``pinned`` runs stay on theirs, ``auto_upgrade`` ones move on.
            priorities: By tenant, whose work workers take first: 1 (first) to 5 (last); 3 for all others.
            notify: Who is told of all its runs, batches and plans: one or several `Webhook` and `Kafka`.

        Raises:
            AppError: If an agent has no name, a name is taken, an agent is not durable, or a function is no effect.
        """
        if versioning not in {"pinned", "auto_upgrade"}:
            raise AppError(f"versioning is {versioning!r}. It takes 'pinned' or 'auto_upgrade'.")
        if wrong := {tenant: at for tenant, at in (priorities or {}).items() if at not in range(1, 6)}:
            raise AppError(f"priorities has {wrong}. A priority is a whole number from 1 (first) to 5 (last).")
        self.name = name
        budgets = [budget.scope(app_key(name))] if budget else []
        budgets += [of_tenant.scope(tenant_key(tenant)) for tenant, of_tenant in (tenants or {}).items()]
        self.registry = Registry(
            workflows=tuple(workflows),
            activities=tuple(activities),
            app=name,
            budgets=budgets,
            prices=prices or {},
            limits=limits or {},
            versioning=versioning,
            priorities=priorities or {},
            notify=targets_of(notify),
        )
        self.registry.add_batch(_ANALYZE)
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = weakref.WeakKeyDictionary()
        for agent in agents:
            self._add_agent(agent)
            self._add_sub_agents(agent)
        for function in effects:
            self._add_effect(function)

    def batch(self, *, name: str | None = None, model: str | None = None, concurrency: int = 64) -> Callable[[F], F]:
        """Declare an async function of a document and an ``llm`` as a batch function.

        The docstring is the instruction and the return annotation the output type of ``llm``, unless a call of it
        says otherwise. The function itself stays callable.

        Args:
            name: Name in commands and histories; the function's own by default. Renaming breaks running batches.
            model: Pydantic AI model name; left out, the settings decide.
            concurrency: Documents in flight over all workers.

        Raises:
            AppError: If the function is not such a function, or the name is taken.
        """
        if concurrency < 1:
            raise AppError(f"concurrency is {concurrency}. It must be at least 1.")

        def declare(function: F) -> F:
            declared = BatchFunction.of(function, name=name or function.__name__, model=model, concurrency=concurrency)
            self.registry.add_batch(declared)
            return function

        return declare

    def effect(
        self,
        policy: str = "idempotent",
        *,
        check: "Check | None" = None,
        undo: "Undo | None" = None,
        approve: Callable[..., bool] | bool = False,
        database: Any = None,
        shadow: Callable[..., Any] | None = None,
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Declare a function as an effect, and let the plans of the app call it: ``await plan.effect(function, ...)``.

        Args:
            policy: This and the others as for `outlive.effect`.

        Raises:
            AppError: For a policy that lacks what it needs, or a name that is taken.
        """
        from outlive.effects.declaring import effect

        declaration = effect(policy, check=check, undo=undo, approve=approve, database=database, shadow=shadow)

        def declare(function: Callable[P, R]) -> Callable[P, R]:
            declared = declaration(function)
            self._add_effect(declared)
            return declared

        return declare

    def plan(self, function: H | None = None, *, name: str | None = None, on_failure: str = "park") -> Any:
        """Declare an async function of a `Plan`, and of one input where it has one, as a plan.

        ``@app.plan`` or ``@app.plan(on_failure="undo")``. The function is workflow code: it is run again from its
        beginning whenever its worker changes, and reaches the world through the plan it is given, and only so.

        Args:
            name: Name in commands and histories; the function's own by default. Renaming breaks running plans.
            on_failure: What becomes of its effects when it fails: ``park`` asks a person whether to undo them or to
                leave them, ``undo`` takes them back at once.

        Raises:
            AppError: If it is no such function, or the name is taken.
        """

        def declare(declared: H) -> H:
            from outlive.plans.declaring import PlanFunction

            named = name or declared.__name__
            found = PlanFunction(
                declared,
                name=named,
                on_failure=on_failure,
                effects=self.registry.effects,
                agents=self.registry.agents,
            )
            self.registry.add_plan(named, found)
            return declared

        return declare if function is None else declare(function)

    async def start_plan(
        self,
        plan: Callable[..., Any] | str,
        request: Any = None,
        *,
        id: str | None = None,  # noqa: A002 - what callers call it
        shadow: bool = False,
        notify: Notify = None,
    ) -> Any:
        """Start a run of a plan and return its `PlanHandle` at once. See `Client.start_plan`."""
        client = await self.client()
        return await client.start_plan(plan, request, run_id=id, shadow=shadow, notify=notify)

    def on_hand_off(self, function: H) -> H:
        """Let an async function hear of everything that waits for a person: here mail or chat is sent.

        It is called as an activity with an `outlive.contracts.hand_offs.HandOffNews`, whose ``occasion`` is
        ``opened``, ``reminder``, ``escalated``, ``expired`` or ``decided``, and again when it fails, for hours. It may
        so be called twice about the same.

        Raises:
            AppError: If it is not an async function, or there is one already.
        """
        if not inspect.iscoroutinefunction(function):
            raise AppError("`@app.on_hand_off` takes a function declared with `async def`.")
        if self.registry.on_hand_off is not None:
            raise AppError("`@app.on_hand_off` is declared twice. Let one function do both.")
        self.registry.on_hand_off = function
        return function

    @property
    def desk(self) -> Any:
        """What waits for a person, over all agents: an `outlive.desk.desk.Desk`."""
        # By name: desks know apps, and imports go down only.
        return importlib.import_module("outlive.desk.desk").Desk(self.client)

    @property
    def schedules(self) -> Any:
        """What is started again and again, at set times: an `outlive.schedules.schedules.Schedules`."""
        return importlib.import_module("outlive.schedules.schedules").Schedules(self.client)  # by name, as above

    async def start(
        self,
        agent: "Agent[Any, Any] | str",
        prompt: Any,
        *,
        id: str | None = None,  # noqa: A002 - what callers call it
        deps: Any = None,
        model: str | None = None,
        messages: Sequence[Any] = (),
        budget: Budget | None = None,
        tenant: str | None = None,
        notify: Notify = None,
    ) -> Any:
        """Start a run of an agent and return its `RunHandle` at once. See `Client.start_run`."""
        client = await self.client()
        return await client.start_run(
            agent,
            prompt,
            run_id=id,
            deps=deps,
            model=model,
            messages=messages,
            budget=budget,
            tenant=tenant,
            notify=notify,
        )

    async def run(
        self,
        agent: "Agent[Any, Any] | str",
        prompt: Any,
        *,
        id: str | None = None,  # noqa: A002 - what callers call it
        deps: Any = None,
        model: str | None = None,
        messages: Sequence[Any] = (),
        budget: Budget | None = None,
        tenant: str | None = None,
        notify: Notify = None,
    ) -> Any:
        """Start a run of an agent, wait for its end, and return its `RunResult`."""
        handle = await self.start(
            agent, prompt, id=id, deps=deps, model=model, messages=messages, budget=budget, tenant=tenant, notify=notify
        )
        return await handle.result()

    async def conversation(
        self,
        agent: "Agent[Any, Any] | str",
        *,
        id: str | None = None,  # noqa: A002 - what callers call it
        deps: Any = None,
        model: str | None = None,
        budget: Budget | None = None,
        tenant: str | None = None,
        notify: Notify = None,
    ) -> Any:
        """Open a conversation with an agent, or go on with the one of this id. See `Client.conversation`."""
        client = await self.client()
        return await client.conversation(
            agent, conversation_id=id, deps=deps, model=model, budget=budget, tenant=tenant, notify=notify
        )

    async def client(self) -> Any:
        """Return the app's `Client` of the running event loop; `aclose` closes it.

        Raises:
            LedgerError: If the ledger of the project cannot be opened.
        """
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            # By name: clients know apps, and imports go down only.
            client = importlib.import_module("outlive.client").Client(app=self)
            self._clients[loop] = await client.__aenter__()
        return self._clients[loop]

    async def aclose(self) -> None:
        """Close what `start`, `run` and `conversation` have opened in the running event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.__aexit__(None, None, None)

    def _add_effect(self, function: Callable[..., Any]) -> None:
        from outlive.agents.options import merged_metadata
        from outlive.effects.calling import EffectFunction

        found = EffectFunction(function, options=merged_metadata(None, function) or {})
        self.registry.add_effect(found.name, found)

    def _add_sub_agents(self, agent: "Agent[Any, Any]") -> None:
        from outlive.agents.sub_agents import sub_agents_of

        for other in sub_agents_of(agent):
            if self.registry.agents.get(other.name or "") is not other:
                self._add_agent(other)

    def _add_agent(self, agent: "Agent[Any, Any]") -> None:
        from outlive.agents.durable import durable_of, run_through

        self.registry.add_agent(agent.name, agent)
        if durable_of(agent) is None:
            raise AppError(f"Agent {agent.name!r} is not durable. Give it `capabilities=[Durable()]`.")

        async def run_durably(ctx: Any) -> Any:
            from outlive.agents.outputs import as_agent_result

            result = await self.run(agent, ctx.prompt, deps=ctx.deps, messages=ctx.messages)
            return as_agent_result(result)

        run_through(agent.name or "", run_durably)


async def _analyze(document: Document, llm: Llm) -> Any:
    return await llm(document.text)


_ANALYZE = BatchFunction(name=ANALYZE_FUNCTION, function=_analyze)


def load_app(reference: str | None) -> App:
    """Import the app that ``MODULE:APP`` names; without a reference, the built-in one behind ``outlive analyze``.

    The module is looked up in the current folder first.

    Raises:
        AppError: If it cannot be imported, or names no app.
    """
    if reference is None:
        return App("outlive")
    name, _, attribute = reference.partition(":")
    module = _import(name.removesuffix(".py"))
    app = getattr(module, attribute or "app", None)
    if not isinstance(app, App):
        named = ", ".join(key for key, value in vars(module).items() if isinstance(value, App))
        hint = f"The apps in {module.__name__!r}: {named}." if named else f"{module.__name__!r} holds no app."
        raise AppError(f"{reference!r} names no outlive.App. {hint} {GIVE_AS}")
    return app


def _import(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise AppError(f"{name!r} is not the name of a module. {GIVE_AS}")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise AppError(f"No module {name!r} in {str(Path.cwd())!r}. {GIVE_AS}") from error
        raise _broken(name, error) from error
    except Exception as error:  # the edge to the user's own code
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> AppError:
    """Say where in the user's own code the import of a module came to its end."""
    if isinstance(error, SyntaxError):
        where = f"{error.filename}, line {error.lineno}"
        return AppError(f"The module {name!r} cannot be imported: {where}: {error.msg}. Mend it there.")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    users = [frame for frame in frames if not _is_installed(frame.filename)]
    frame = (users or frames)[-1]
    kind = "" if isinstance(error, (AppError, ImportError)) else f"{type(error).__name__}: "
    said = str(error).rstrip(".")
    return AppError(f"The module {name!r} cannot be imported: {frame.filename}, line {frame.lineno}: {kind}{said}.")


def _is_installed(filename: str) -> bool:
    """Whether a file is ours or another library's, rather than the user's own."""
    path = Path(filename)
    return path.is_relative_to(Path(__file__).parent) or "site-packages" in path.parts or path.is_relative_to(STDLIB)
