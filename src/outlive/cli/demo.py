"""``outlive demo``: see it survive."""

import os
import sys

import click


@click.command()
@click.option("--stay", is_flag=True, help="Leave the console open after the verdict; on a terminal it is anyway.")
def demo(stay: bool) -> None:
    """Watch a batch survive the death of its workers and its engine.

    Some 700 modules of Python's standard library, served over HTTP by a local process, go through a batch with the
    offline model. On the way a worker is killed with -9 twice and the engine once. The verdict at the end is computed
    from the ledger and the document server's own counters; the exit status is 0 only where it holds.

    A console is open meanwhile, where more of them can be killed. On a terminal it stays open until Ctrl-C.

    Takes about a minute, needs no key and no network, and keeps its state and results in .outlive/demo.
    """
    from outlive.settings import PREFIX, Settings, process_environment

    home = Settings.load().home
    # A process that takes this one's place: settings and clusters of the person who runs it must not decide what is
    # demonstrated, and its engine is going to be killed.
    environment = {
        name: value for name, value in process_environment().items() if not name.startswith((PREFIX, "TEMPORAL_"))
    }
    environment |= {f"{PREFIX}HOME": str(home.absolute()), "TEMPORAL_CONFIG_FILE": os.devnull}
    sys.stdout.flush()
    command = [sys.executable, "-m", "outlive.demo", *(["--stay"] if stay else [])]
    os.execve(sys.executable, command, environment)  # noqa: S606 - no shell on purpose
