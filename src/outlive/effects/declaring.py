"""`effect`: how a tool says what may be done when nobody knows whether it has happened."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial, wraps
from typing import Any, Generic, ParamSpec, TypeVar, cast

from outlive.effects.current import CurrentCall, current_call
from outlive.effects.transactions import Database, commit_with_marker, commit_with_marker_blocking
from outlive.errors import AppError

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Policy(StrEnum):
    """What is done about an effect that was begun and whose outcome nobody knows.

    Attributes:
        IDEMPOTENT: It is repeated under the same key, and the receiver tells the repeat by it.
        TRANSACTIONAL: It is committed in the user's own database together with a marker that tells.
        CHECKED: A function of the user's asks the outside world before any repeat.
        ONCE: It is never repeated; a person decides.
    """

    IDEMPOTENT = "idempotent"
    TRANSACTIONAL = "transactional"
    CHECKED = "checked"
    ONCE = "once"

    @property
    def is_leased(self) -> bool:
        """Whether another attempt has to wait until the one before it cannot go on any more."""
        return self in {Policy.CHECKED, Policy.ONCE}


@dataclass(frozen=True)
class Happened(Generic[T]):
    """What a check returns of an effect that has happened.

    Attributes:
        result: What the tool would have returned.
    """

    result: T


Check = Callable[[str, dict[str, Any]], "Happened[Any] | Awaitable[Happened[Any] | None] | None"]
"""``check(key, args)``: `Happened` where it has happened, None where it has not; raises where it cannot tell."""


@dataclass(frozen=True, kw_only=True)
class UndoneEffect:
    """An effect that is to be compensated, as its ``undo`` function gets it.

    Attributes:
        key: What the ledger, and the receiver, know the effect by.
        args: The arguments it was called with, JSON values.
        result: What it returned, JSON.
    """

    key: str
    args: dict[str, Any]
    result: Any


Undo = Callable[[UndoneEffect], Any]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A declaration: put it on a function as a decorator. See `effect`."""

    policy: Policy = Policy.IDEMPOTENT
    check: Check | None = None
    undo: Undo | None = None
    approve: Callable[..., bool] | bool = False
    database: Database | None = None
    shadow: Callable[..., Any] | None = None

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Declare a function.

        Raises:
            AppError: If the policy does not go with the function.
        """
        is_async = inspect.iscoroutinefunction(function)
        if not is_async and inspect.iscoroutinefunction(self.check):
            raise AppError(f"{function.__qualname__!r} is declared with `def`: its check must be, too.")
        around = _around_async(self, function) if is_async else _around(self, function)
        around.__outlive_effect__ = self  # type: ignore[attr-defined]
        return around

    @property
    def options(self) -> dict[str, Any]:
        """What workers and workflows know of it: JSON."""
        said: dict[str, Any] = {"policy": str(self.policy)}
        if self.approve:
            said["approve"] = True
        if self.undo is not None:
            said["undo"] = True
        return said

    def wants_approval(self, args: Mapping[str, Any]) -> bool:
        """Whether a call with these arguments is to be allowed by a person first."""
        return self.approve(**args) if callable(self.approve) else self.approve


def effect(
    policy: str = Policy.IDEMPOTENT,
    *,
    check: Check | None = None,
    undo: Undo | None = None,
    approve: Callable[..., bool] | bool = False,
    database: Database | None = None,
    shadow: Callable[..., Any] | None = None,
) -> Effect:
    """Declare what a tool does to the outside world, and what may be done when nobody knows whether it has happened.

    Below the decorator that makes the function a tool::

        @agent.tool_plain
        @effect("once", approve=lambda order_id, amount: amount > 50)
        async def refund(order_id: str, amount: int) -> str: ...

    Args:
        policy: One of `Policy`: ``idempotent`` repeats under the same `idempotency_key`; ``transactional`` commits in
            ``database``, reached by `connection`; ``checked`` asks ``check`` before a repeat; ``once`` never repeats.
        check: ``check(key, args)``, for ``checked``: returns `Happened(result)`, or None where it did not happen.
            Raises where it cannot tell for now; it is then asked again.
        undo: Takes the effect back, by ``outlive undo`` or when a plan fails: a function of one `UndoneEffect`, ``async
            def`` or ``def``, itself an effect: ``idempotent``, unless it is declared otherwise.
        approve: True, or a function of the arguments: whether a person has to allow a call first. It is called in
            workflow code and must say the same each time.
        database: For ``transactional``: a SQLAlchemy ``AsyncEngine`` (``Engine`` for a ``def`` function), or a function
            that returns one.
        shadow: What a plan in shadow mode gets in place of the effect's result: a function of the same arguments, which
            may read, and changes nothing. Without one it gets None.

    Raises:
        AppError: For a policy that does not exist, or that lacks what it needs.
    """
    if policy not in set(Policy):
        raise AppError(f"The effect policy is {policy!r}. It takes {', '.join(map(repr, map(str, Policy)))}.")
    needed = {Policy.CHECKED: ("check", check), Policy.TRANSACTIONAL: ("database", database)}
    for owner, (name, given) in needed.items():
        if policy == owner and given is None:
            raise AppError(f"The policy {policy!r} needs `{name}=`.")
        if policy != owner and given is not None:
            raise AppError(f"`{name}=` goes with the policy {str(owner)!r}, not with {policy!r}.")
    if undo is not None and not callable(undo):
        raise AppError("`undo=` takes a function of one `UndoneEffect`.")
    return Effect(policy=Policy(policy), check=check, undo=undo, approve=approve, database=database, shadow=shadow)


def declared(function: object) -> Effect | None:
    """Return what a function was declared as; None where it was not."""
    found = getattr(function, "__outlive_effect__", None)
    return found if isinstance(found, Effect) else None


def _around_async(declaration: Effect, function: Callable[P, R]) -> Callable[P, R]:
    make = cast("Callable[P, Awaitable[Any]]", function)

    @wraps(function)
    async def around(*args: P.args, **kwargs: P.kwargs) -> Any:
        call = current_call.get()
        if call is None:
            return await make(*args, **kwargs)
        if declaration.check is not None and call.is_again:
            found = declaration.check(call.key, _arguments(function, args, kwargs))
            found = await found if inspect.isawaitable(found) else found
            if found is not None:
                return found.result
        if declaration.database is not None:
            return await commit_with_marker(declaration.database, call.key, partial(make, *args, **kwargs), function)
        return await make(*args, **kwargs)

    return cast("Callable[P, R]", around)


def _around(declaration: Effect, function: Callable[P, R]) -> Callable[P, R]:
    @wraps(function)
    def around(*args: P.args, **kwargs: P.kwargs) -> R:
        call = current_call.get()
        if call is None:
            return function(*args, **kwargs)
        found = _checked(declaration, call, _arguments(function, args, kwargs))
        if found is not None:
            return cast("R", found.result)
        if declaration.database is not None:
            run = partial(function, *args, **kwargs)
            return cast("R", commit_with_marker_blocking(declaration.database, call.key, run, function))
        return function(*args, **kwargs)

    return around


def _checked(declaration: Effect, call: CurrentCall, args: dict[str, Any]) -> Happened[Any] | None:
    if declaration.check is None or not call.is_again:
        return None
    return cast("Happened[Any] | None", declaration.check(call.key, args))


def _arguments(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments by name, without a leading context of Pydantic AI's."""
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    given = dict(bound.arguments)
    first = next(iter(given), None)
    if first is not None and type(given[first]).__name__ == "RunContext":
        del given[first]
    return given
