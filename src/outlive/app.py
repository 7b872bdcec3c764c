"""What a user declares: an app, its batch functions, and plain Temporal workflows and activities."""

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from outlive.documents.document import Document
from outlive.errors import AppError
from outlive.models.llm import Llm
from outlive.names import ANALYZE_FUNCTION
from outlive.registry import BatchCallable, BatchFunction, Registry

F = TypeVar("F", bound=BatchCallable)


class App:
    """An application: one name, and what its workers serve.

    Plain Temporal code is welcome: workflows and activities given here are served as they are.
    """

    def __init__(
        self, name: str, *, workflows: Sequence[type] = (), activities: Sequence[Callable[..., Any]] = ()
    ) -> None:
        self.name = name
        self.registry = Registry(workflows=tuple(workflows), activities=tuple(activities))
        self.registry.add_batch(_ANALYZE)

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
    module_name, _, attribute = reference.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name.removesuffix(".py"))
    except ModuleNotFoundError as error:
        if error.name and module_name.startswith(error.name):
            raise AppError(
                f"No module {module_name!r} in {str(Path.cwd())!r}. Give the app as MODULE:APP, such as `analyze:app`."
            ) from error
        raise
    app = getattr(module, attribute or "app", None)
    if not isinstance(app, App):
        raise AppError(f"{reference!r} names no outlive.App. Give the app as MODULE:APP, such as `analyze:app`.")
    return app
