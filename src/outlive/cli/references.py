"""Which app a command means: the one that was named, else the one that this project serves."""

from pathlib import Path

from outlive.engine.home import Home
from outlive.errors import AppError
from outlive.settings import Settings

DEFAULT_FILE = "app.py"
DEFAULT_APP = "app:app"


def default_app(settings: Settings) -> str | None:
    """Return the app of this project: the one that was served last, else that of ``app.py``; None where there is none.

    An app that was served once, and whose module is gone by now, counts no longer.
    """
    recorded = Home(settings.home).recorded_app()
    if recorded is not None and is_there(recorded):
        return recorded
    return DEFAULT_APP if (Path.cwd() / DEFAULT_FILE).is_file() else None


def required_app(named: str | None, settings: Settings) -> str:
    """Return the app that a command is to serve.

    Raises:
        AppError: If none was named and the project has none, or there is no such module.
    """
    reference = named or default_app(settings)
    if reference is None:
        raise AppError(
            f"No app was named, and there is no {DEFAULT_FILE} in {str(Path.cwd())!r}. "
            "Write one with `outlive init`, or name yours with --app MODULE:APP."
        )
    check_module(reference)
    return reference


def check_module(reference: str) -> None:
    """Refuse a mistyped app before anything is started; what is wrong inside it, importing it says.

    Raises:
        AppError: If there is no such module.
    """
    if not is_there(reference):
        raise AppError(
            f"No module {_module(reference)!r} in {str(Path.cwd())!r}. "
            "Give the app as MODULE:APP, such as `analyze:app`."
        )


def is_there(reference: str) -> bool:
    """Return whether the module of an app can be found, without importing it."""
    from importlib.util import find_spec

    from outlive.worker.sources import find_module

    module = _module(reference)
    return bool(find_module(module, Path.cwd()) or find_spec(module.partition(".")[0] or "-"))


def is_same_app(one: str, other: str) -> bool:
    """Return whether two references mean the same app: ``app``, ``app.py`` and ``app:app`` do."""
    return _whole(one) == _whole(other)


def _module(reference: str) -> str:
    return reference.partition(":")[0].removesuffix(".py")


def _whole(reference: str) -> tuple[str, str]:
    return _module(reference), reference.partition(":")[2] or "app"
