"""What one process serves, by name: filled by ``App``, read by workers and clients."""

import hashlib
import inspect
import json
import typing
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from outlive.contracts.batches import BatchSpec
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
    """What an app declares."""

    batches: dict[str, BatchFunction] = field(default_factory=dict)
    workflows: Sequence[type] = ()
    activities: Sequence[Callable[..., Any]] = ()

    def add_batch(self, declared: BatchFunction) -> None:
        """Register a batch function.

        Raises:
            AppError: If the name is taken.
        """
        if declared.name in self.batches:
            raise AppError(f"Batch function {declared.name!r} is declared twice. Give one of them another name.")
        self.batches[declared.name] = declared

    def batch(self, name: str) -> BatchFunction:
        """Return a batch function by name.

        Raises:
            AppError: If this process does not serve it.
        """
        if name not in self.batches:
            known = ", ".join(sorted(self.batches)) or "none"
            raise AppError(f"No batch function {name!r} is declared. Declared: {known}.")
        return self.batches[name]
