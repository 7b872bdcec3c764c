"""``outlive init``: a file to begin with."""

import keyword
from pathlib import Path

import click

from outlive.cli.references import DEFAULT_FILE
from outlive.errors import UsageError

TEMPLATE = '''\
from datetime import datetime

from outlive import App, Durable
from pydantic_ai import Agent

{variable} = Agent(name="{name}", instructions="Answer briefly. Use your tools.", capabilities=[Durable()])


@{variable}.tool_plain
def current_time() -> str:
    """Tell the date and the time now."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


app = App("{name}", agents=[{variable}])
'''
TAKEN = frozenset({"Agent", "App", "Durable", "app", "current_time", "datetime"})
"""Names that the file uses itself."""


@click.command()
@click.argument("name", default="assistant", metavar="[NAME]")
@click.option("--force", is_flag=True, help="Write over an app.py that is there.")
def init(name: str, force: bool) -> None:
    """Write app.py: an agent with a tool, ready to run.

    NAME is the agent's; left out, it is called assistant. Which model answers is decided when it runs: OUTLIVE_MODEL,
    else the first provider whose key is set, else one that needs no key and no network and only rehearses.
    """
    from outlive.models.keys import default_model
    from outlive.names import OFFLINE_MODEL
    from outlive.settings import Settings

    settings = Settings.load()
    path = Path(DEFAULT_FILE)
    _write(path, TEMPLATE.format(name=name, variable=_variable(name)), force=force)
    click.echo(f"Wrote {path}: the agent {name!r} with one tool. Next, with no other terminal needed:")
    click.echo(f'  outlive run {name} "What time is it?"')
    click.echo(f"  outlive chat {name}")
    model = default_model(settings)
    if model == OFFLINE_MODEL:
        model = f"{model}, which rehearses without a key. Set a provider's, such as OPENAI_API_KEY, for a real one"
    click.echo(f"Model: {model}.")


def _write(path: Path, text: str, *, force: bool) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(f"There is a file {str(path)!r} here already. --force writes over it.") from error
    except OSError as error:
        raise UsageError(f"{str(path.absolute())!r} cannot be written: {error.strerror}.") from error


def _variable(name: str) -> str:
    variable = name.replace("-", "_")
    if not (variable.isidentifier() and variable.isascii()) or keyword.iskeyword(variable) or variable in TAKEN:
        raise UsageError(f"{name!r} cannot be the name of an agent here. Give one such as `support` or `travel-desk`.")
    return variable
