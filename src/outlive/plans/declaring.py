"""Plans as their users declare them: an async function of a `Plan`, and of one input where it has one."""

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from outlive.effects.calling import EffectFunction
from outlive.errors import AppError, RunError
from outlive.plans.plan import Plan, PlanHost

ON_FAILURE = ("park", "undo")


class PlanFunction:
    """A plan of an app.

    Attributes:
        name: What its runs are found by.
        summary: First line of its docstring.
        undoes_on_failure: Whether its effects are taken back when it fails, without asking.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str,
        on_failure: str,
        effects: Mapping[str, EffectFunction],
        agents: Mapping[str, Any],
    ) -> None:
        """Read a function.

        Args:
            effects: Of the app, as they are when the plan runs.
            agents: Likewise.

        Raises:
            AppError: If it is not such a function.
        """
        if on_failure not in ON_FAILURE:
            raise AppError(f"on_failure is {on_failure!r}. A plan takes 'park' or 'undo'.")
        if not name or "/" in name:
            raise AppError(f"The plan name {name!r} is empty, or has a slash in it, which separates plan and run id.")
        if not inspect.iscoroutinefunction(function):
            raise AppError(f"Plan {name!r} must be declared with `async def`.")
        parameters = [*inspect.signature(function).parameters]
        if len(parameters) not in {1, 2}:
            raise AppError(
                f"Plan {name!r} must take the plan, and at most one input: `async def {name}(plan, request)`."
            )
        try:
            hints = typing.get_type_hints(function)
            self.inputs = None if len(parameters) == 1 else TypeAdapter[Any](hints.get(parameters[1], Any))
            self.outputs: TypeAdapter[Any] = TypeAdapter(hints.get("return", Any))
        except Exception as error:  # pydantic and the annotations themselves may raise anything
            raise AppError(f"An annotation of plan {name!r} cannot be read: {error}.") from error
        self.name = name
        self.function = function
        self.summary = (inspect.getdoc(function) or "").partition("\n")[0]
        self.undoes_on_failure = on_failure == "undo"
        self._effects = effects
        self._agents = agents

    def input_as_json(self, value: Any) -> Any:
        """Return an input as JSON; JSON values that fit its type are an input too.

        Raises:
            RunError: If it does not fit.
        """
        if self.inputs is None:
            if value is not None:
                raise RunError(f"Plan {self.name!r} takes no input, but {value!r} was given.")
            return None
        try:
            return self.inputs.dump_python(self.inputs.validate_python(value), mode="json")
        except ValidationError as error:
            raise RunError(f"The input of plan {self.name!r} does not fit: {error}") from error

    async def run(self, host: PlanHost, argument: Any) -> Any:
        """Run the function, in workflow code; return its output as JSON."""
        plan = Plan(host, effects=self._effects, agents=self._agents)
        given = () if self.inputs is None else (self.inputs.validate_python(argument),)
        return self.outputs.dump_python(await self.function(plan, *given), mode="json")
