"""An app's effects as plans call them: arguments and results as JSON, by the annotations of their functions."""

import asyncio
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from outlive.contracts.plans import Worked
from outlive.effects.declaring import Effect, declared
from outlive.errors import AppError


class EffectFunction:
    """A function that was declared as an effect, and what is known of its parameters and its result.

    Attributes:
        name: What ledger and histories know it by: the function's own name.
        function: As declared.
        declaration: What it was declared as.
        options: Of ``tool_options``, and what workers know of the declaration.
    """

    def __init__(self, function: Callable[..., Any], *, options: dict[str, Any]) -> None:
        """Read a function.

        Raises:
            AppError: If it declares no effect, or an annotation of it cannot be read.
        """
        declaration = declared(function)
        self.name = getattr(function, "__name__", "")
        if declaration is None:
            raise AppError(f"{self.name!r} declares no effect. Put `@effect(...)` or `@app.effect(...)` on it.")
        self.function = function
        self.declaration: Effect = declaration
        self.options = options
        self.signature = inspect.signature(function)
        try:
            self.hints = typing.get_type_hints(function)
            adapted = {name: TypeAdapter(self.hints.get(name, Any)) for name in self.signature.parameters}
            self.results: TypeAdapter[Any] = TypeAdapter(self.hints.get("return", Any))
        except Exception as error:  # pydantic and the annotations themselves may raise anything
            raise AppError(f"An annotation of the effect {self.name!r} cannot be read: {error}.") from error
        self._parameters: dict[str, TypeAdapter[Any]] = adapted

    @property
    def first_parameter(self) -> str:
        """Name of its first parameter.

        Raises:
            AppError: If it has none.
        """
        for name in self.signature.parameters:
            return name
        raise AppError(f"The effect {self.name!r} takes no argument. One that works items off takes a list of them.")

    @property
    def reports_failures(self) -> bool:
        """Whether it returns `Worked`: which of the items of a call have failed."""
        return self.hints.get("return") is Worked

    def as_json(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments as JSON.

        Raises:
            AppError: If they do not fit the function.
        """
        try:
            self.signature.bind(**given)
        except TypeError as error:
            raise AppError(
                f"The effect {self.name!r} was called with other arguments than it takes: {error}."
            ) from error
        return {name: to_jsonable_python(value) for name, value in given.items()}

    async def make(self, args: Mapping[str, Any]) -> Any:
        """Call the function, and return its result as JSON."""
        return await self._called(self.function, args)

    async def rehearse(self, args: Mapping[str, Any]) -> Any:
        """Return, as JSON, what stands for the result where the effect is not made."""
        shadow = self.declaration.shadow
        return None if shadow is None else await self._called(shadow, args)

    async def _called(self, function: Callable[..., Any], args: Mapping[str, Any]) -> Any:
        given = {name: self._typed(name, value) for name, value in args.items()}
        if inspect.iscoroutinefunction(function):
            result = await function(**given)
        else:
            result = await asyncio.to_thread(function, **given)
        return self.results.dump_python(result, mode="json")

    def _typed(self, name: str, value: Any) -> Any:
        try:
            return self._parameters[name].validate_python(value)
        except ValidationError as error:
            raise AppError(f"The argument {name!r} of the effect {self.name!r} does not fit: {error}") from error
