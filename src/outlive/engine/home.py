"""The state folder of a project, ``.outlive/``: where things lie in it, and who owns it."""

import fcntl
import json
import os
import sys
from asyncio import sleep
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from outlive.errors import EngineFailed, EngineOwned

LOCK_ATTEMPTS = 10
LOCK_PAUSE = 0.03  # seconds; 10 of them outlast everyone who only looks whether there is an owner
HIGHEST_PORT = 65_535


@dataclass(frozen=True, kw_only=True)
class EngineState:
    """Where the engine of a project is reached, as its owner recorded it.

    Attributes:
        address: ``host:port`` of Temporal's gRPC service.
        ui_address: URL of Temporal's Web UI.
        http_address: ``host:port`` of Temporal's HTTP API, which refuses every host name.
        metrics_address: URL of the engine's Prometheus page.
    """

    address: str
    ui_address: str
    http_address: str
    metrics_address: str
    engine_pid: int
    owner_pid: int
    server_version: str
    cli_version: str


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The process that owns a state folder."""

    pid: int
    command: str


class Home:
    """One project's state folder. Creating the object touches nothing on disk."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).resolve()
        self.engine_db = self.path / "engine.db"
        self.engine_version_file = self.path / "engine.version.json"
        self.ledger_db = self.path / "ledger.db"
        self.payloads_db = self.path / "payloads.db"
        self.streams_db = self.path / "streams.db"
        self.state_file = self.path / "engine.json"
        self.lock_file = self.path / "lock"
        self.app_file = self.path / "app"
        self.console_port_file = self.path / "console.port"
        self.housekeeping_file = self.path / "housekeeping.json"
        self.housekeeping_lock = self.path / "housekeeping.lock"
        self.logs = self.path / "logs"

    def create(self) -> None:
        """Create the folder where it is missing, and close it to other users of the machine (mode 0700).

        Raises:
            EngineFailed: Where the folder cannot be created or closed.
        """
        try:
            for folder in (self.path, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.chmod(0o700)
            ignore = self.path / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")  # prompts, documents and results rest here: never in a repository
        except OSError as error:
            raise EngineFailed(
                f"The state folder {str(self.path)!r} cannot be used: {error.strerror}. "
                "Choose another with OUTLIVE_HOME, or mend its permissions."
            ) from error

    @asynccontextmanager
    async def own(self, *, shared: bool = False) -> AsyncIterator[None]:
        """Own the folder for as long as the block runs.

        The lock is the kernel's (``flock``): it is gone with the process that held it, however that ended.

        Args:
            shared: Own it together with others who also share: for processes that use the folder while a
                configured cluster, not an engine of ours, keeps the runs.

        Raises:
            EngineOwned: Where another process owns it.
        """
        self.create()
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await self._lock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            _write_owner(descriptor)
            yield
        finally:
            os.close(descriptor)

    async def _lock(self, descriptor: int, kind: int) -> None:
        for _ in range(LOCK_ATTEMPTS):
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                await sleep(LOCK_PAUSE)
            else:
                return
        owner = self.owner()
        who = f"process {owner.pid} (`{owner.command}`)" if owner else "another process"
        raise EngineOwned(
            f"The state folder {str(self.path)!r} is owned by {who}. "
            "Use the engine that it runs, stop it with Ctrl-C or SIGTERM, or work in another folder with OUTLIVE_HOME."
        )

    def is_owned(self) -> bool:
        """Return whether a living process owns the folder, alone or shared."""
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def owner(self) -> Owner | None:
        """Return who owns the folder, where somebody does and has said so."""
        if not self.is_owned():
            return None
        try:
            return Owner(**json.loads(self.lock_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def read_state(self) -> EngineState | None:
        """Return what was last recorded of the engine, alive or not; None where nothing usable was."""
        try:
            return EngineState(**json.loads(self.state_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def live_state(self) -> EngineState | None:
        """Return where the engine is reached while its owner lives; None otherwise."""
        return self.read_state() if self.is_owned() else None

    def write_state(self, state: EngineState) -> None:
        """Record where the engine is reached, in one piece: a reader sees the old or the new, never half."""
        write_whole(self.state_file, json.dumps(asdict(state), indent=2) + "\n")

    def record_app(self, reference: str | None) -> None:
        """Record which ``MODULE:APP`` the workers of this project serve, so that commands need not name it."""
        write_whole(self.app_file, reference or "")

    def recorded_app(self) -> str | None:
        """Return the ``MODULE:APP`` that was served last; None for the built-in functions alone."""
        try:
            return self.app_file.read_text(encoding="utf-8") or None
        except FileNotFoundError:
            return None

    def record_console_port(self, port: int) -> None:
        """Record where the console is served, so that open pages and bookmarks find it again after a restart."""
        write_whole(self.console_port_file, str(port))

    def recorded_console_port(self) -> int | None:
        """Return the port that the console was served on last; None where there is none, or no port was written."""
        try:
            port = self.console_port_file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return int(port) if port.isdecimal() and 0 < int(port) <= HIGHEST_PORT else None

    def forget_state(self) -> None:
        """Remove the record: the engine is gone."""
        self.state_file.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that it is there whole or not at all, also after a power cut (mode 0600)."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_owner(descriptor: int) -> None:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])  # what follows may be a prompt
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "command": command}).encode(), 0)
