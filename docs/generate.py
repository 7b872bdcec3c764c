# ruff: noqa: INP001 - a script, not a package
"""Write the reference pages from the code: ``docs/reference/settings.md`` and ``docs/reference/cli.md``.

With ``--check`` nothing is written; the exit status is 1 where a page is not what the code says.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click

from outlive.cli.main import cli as command_line
from outlive.settings import PREFIX, Settings, described

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Written by `make docs` from the code. Change the code, not this page. -->\n"


def settings_page() -> str:
    """Return the page of all settings: one row each, in the order of their declaration."""
    rows = [f"# Settings\n\n{NOTE}"]
    rows.append("Every setting is an environment variable. Durations are seconds, sizes bytes.\n")
    rows.append("| Setting | Default | What it does |\n|---|---|---|")
    defaults = Settings()
    for name, hint in described().items():
        default = getattr(defaults, name)
        shown = "(empty)" if default == "" else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {shown} | {get_args(hint)[1]} |")
    rows.append(
        "\nThe cluster's address, namespace, TLS and API key are Temporal's own: `TEMPORAL_ADDRESS`, "
        "`TEMPORAL_PROFILE`, `temporal.toml`. Provider keys are the providers' own: `OPENAI_API_KEY` and so on.\n"
    )
    return "\n".join(rows)


def commands(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[click.Context]:
    """Yield a command and all below it that are not hidden, each as if it had been called, 100 columns wide."""
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        **{**command.context_settings, "terminal_width": 100, "max_content_width": 100},
    )
    yield context
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            if child is not None and not child.hidden:
                yield from commands(child, child_name, context)


def cli_page() -> str:
    """Return the page of all commands: each with its own help."""
    parts = [f"# Command line\n\n{NOTE}"]
    for context in commands(command_line, "outlive"):
        depth = context.command_path.count(" ")
        parts.append(f"{'#' * min(depth + 2, 4)} `{context.command_path}`\n\n```\n{context.get_help()}\n```\n")
    return "\n".join(parts)


def main() -> int:
    """Write or check the pages, and return the exit status."""
    stale = []
    for name, text in (("settings.md", settings_page()), ("cli.md", cli_page())):
        place = REFERENCE / name
        if "--check" not in sys.argv:
            place.parent.mkdir(exist_ok=True)
            place.write_text(text)
        elif not place.exists() or place.read_text() != text:
            stale.append(str(place))
    if stale:
        sys.stderr.write(f"{', '.join(stale)}: not what the code says. Run `make docs`.\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
