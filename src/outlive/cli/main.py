"""The entry point: finds a command, imports it only then, and turns errors into one clear line."""

import importlib
import sys
from typing import Any

import click

from outlive.cli.terminal import tell
from outlive.errors import OutliveError, UsageError

COMMANDS = {
    "analyze": ("outlive.cli.analyze", "Answer one instruction for every document of a source."),
    "answer": ("outlive.cli.answering", "Decide what waits for a person: approve, deny, answer."),
    "batch": ("outlive.cli.batch", "Start, follow and change batches, and get their results."),
    "budget": ("outlive.cli.money", "Show, set and raise budgets: what may be spent."),
    "cancel": ("outlive.cli.deciding", "End the run of an agent."),
    "chat": ("outlive.cli.chat", "Talk with an agent; the conversation outlives everything."),
    "check": ("outlive.cli.check", "Replay the runs in flight with this code, before it serves them."),
    "clean": ("outlive.cli.clean", "Remove what no run needs any more."),
    "codec": ("outlive.cli.codec", "Let Temporal's Web UI show encrypted values."),
    "console": ("outlive.cli.console", "Serve the console: web pages and the HTTP API, until Ctrl-C."),
    "decide": ("outlive.cli.deciding", "Decide what a run does that waits for a person."),
    "deliveries": ("outlive.cli.deliveries", "Show who is told of runs; send again what was given up."),
    "demo": ("outlive.cli.demo", "Watch a batch survive the death of its workers and its engine."),
    "desk": ("outlive.cli.desk", "List what waits for a person; rules, links, conversations taken over."),
    "doctor": ("outlive.cli.doctor", "Check every precondition, and say how to mend what is wrong."),
    "engine": ("outlive.cli.engine", "Back up, restore and look at the embedded engine."),
    "init": ("outlive.cli.init", "Write a first agent into this folder."),
    "keys": ("outlive.cli.keys", "Make, list and exchange the keys that encrypt what rests."),
    "ledger": ("outlive.cli.ledger", "Show what was done to the outside world, and settle what nobody knows."),
    "mcp": ("outlive.cli.mcp", "Serve this project to an assistant, as an MCP server."),
    "plan": ("outlive.cli.plan", "Start plans, rehearse them, look at them and cancel them."),
    "run": ("outlive.cli.run", "Run an agent on a prompt, and follow it."),
    "runs": ("outlive.cli.runs", "List the runs of agents, and what keeps them from moving."),
    "say": ("outlive.cli.deciding", "Say something to the run of an agent."),
    "schedule": ("outlive.cli.schedule", "Start agents, plans and batches again and again, at set times."),
    "serve": ("outlive.cli.serve", "Serve the HTTP API, until Ctrl-C."),
    "show": ("outlive.cli.show", "Show a run: what was said, called, waited for and paid."),
    "spend": ("outlive.cli.money", "Tell what was spent: by agent, batch, model, day or tenant."),
    "undo": ("outlive.cli.undo", "Take back what a run has done, the latest first."),
    "up": ("outlive.cli.up", "Run the engine and the workers, until Ctrl-C."),
    "worker": ("outlive.cli.worker", "Run one worker process, until SIGTERM."),
    "workers": ("outlive.cli.workers", "List the workers and the versions that they serve; promote, roll back."),
}
EXIT_FAILED = 1
EXIT_USAGE = 2


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that ``--help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, sorted."""
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="outlive")
def cli() -> None:
    """AI agents and LLM batches that finish, whatever dies under them."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line. Mistakes of the user end with one line and status 2, other failures with status 1."""
    try:
        code: Any = cli.main(args=arguments, standalone_mode=False, prog_name="outlive")
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(EXIT_USAGE)
    except click.ClickException as error:
        tell(f"Error: {error.format_message()}{_where_to_look(error)}", err=True)
        sys.exit(EXIT_USAGE)
    except click.exceptions.Abort:
        click.echo("Aborted.", err=True)
        sys.exit(130)
    except UsageError as error:
        tell(f"Error: {error}", err=True)
        sys.exit(EXIT_USAGE)
    except OutliveError as error:
        tell(f"Error: {error}", err=True)
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_FAILED)
    sys.exit(code if isinstance(code, int) else 0)


def _where_to_look(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f" `{context.command_path} --help` shows what there is." if context is not None else ""


if __name__ == "__main__":
    main()
