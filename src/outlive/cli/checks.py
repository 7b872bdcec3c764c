"""What ``outlive doctor`` looks at, one function each."""

import asyncio
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path

from temporalio.client import Client
from temporalio.service import RPCError

from outlive.cli.amounts import duration
from outlive.cli.app_checks import app_findings
from outlive.cli.deliveries import delivery_findings
from outlive.cli.findings import Finding, State
from outlive.cli.references import default_app
from outlive.cli.run_view import in_line
from outlive.cli.store_checks import shared_stores
from outlive.encryption.keyring import keyring_of
from outlive.engine.binary import find_binary, find_engines, is_ours
from outlive.engine.connection import connect, read_cluster, read_retention
from outlive.engine.health import count_pollers
from outlive.engine.home import Home
from outlive.engine.overview import STUCK_RUNS
from outlive.engine.ports import is_free
from outlive.engine.preparation import read_version
from outlive.engine.presence import Presence
from outlive.engine.run_health import read_questions
from outlive.engine.stuck import no_agent
from outlive.errors import EncryptionError, EngineError, LedgerError, OutliveError
from outlive.housekeeping.records import read_record
from outlive.ledger.ledger import Ledger, ledger_of
from outlive.names import AGENT_WORKFLOW, AGENT_WORKFLOW_ID_PREFIX, split_agent_workflow_id
from outlive.settings import Settings

LITTLE_DISK, NO_DISK = 2_000_000_000, 200_000_000  # bytes
LONGEST_LOCK_SECONDS = 2.0  # commits take milliseconds
MOST_RUNS_NAMED = 5
MOST_FILES = 20_000
RUNNING_AGENTS = f"WorkflowType = '{AGENT_WORKFLOW}' AND ExecutionStatus = 'Running'"


async def examine(settings: Settings, *, app: str | None = None) -> list[Finding]:
    """Look at everything that a project needs to run."""
    return [finding async for finding in _all(settings, app)]


async def _all(settings: Settings, app: str | None) -> AsyncIterator[Finding]:
    home = Home(settings.home)
    has_cluster = read_cluster() is not None
    if not has_cluster:
        yield await _binary(home)
    yield _folder(home)
    yield _disk(home)
    if not has_cluster:
        yield await _owner(home)
        for finding in _ports(settings, home):
            yield finding
    yield _sizes(home)
    unwritable = await asyncio.to_thread(_unwritable, home)
    for finding in unwritable:
        yield finding
    async for finding in _ledgers(settings, home, unwritable):
        yield finding
    yield shared_stores(settings, has_cluster=has_cluster)
    yield _housekeeping(home, settings)
    async for finding in _temporal(settings, owns_retention=not has_cluster):
        yield finding
    for finding in app_findings(settings, app or default_app(settings)):
        yield finding


async def _binary(home: Home) -> Finding:
    try:
        binary = await find_binary()
    except EngineError as error:
        return Finding(name="program", state=State.FAULT, found=str(error))
    found = f"temporal {binary.cli_version} (server {binary.server_version}) at {binary.path}"
    before = read_version(home)
    if home.engine_db.exists() and (before is None or before.server_version != binary.server_version):
        version = before.server_version if before else "an unknown version"
        mend = f"The engine file is of server {version}; the next `outlive up` carries it over and keeps the old file."
        return Finding(name="program", state=State.NOTE, found=found, mend=mend)
    return Finding(name="program", state=State.GOOD, found=found)


def _folder(home: Home) -> Finding:
    if not home.path.exists():
        return Finding(name="state", state=State.GOOD, found=f"{home.path} will be created by the first command")
    try:
        mode = home.path.stat().st_mode & 0o777
    except OSError as error:
        found = f"{home.path} cannot be read: {error.strerror}"
        return Finding(name="state", state=State.FAULT, found=found, mend="Mend its permissions, or set OUTLIVE_HOME.")
    if mode & 0o077:
        found = f"{home.path} is open to other users of this machine (mode {mode:o})"
        return Finding(name="state", state=State.FAULT, found=found, mend=f"Run `chmod 700 {home.path}`.")
    return Finding(name="state", state=State.GOOD, found=f"{home.path} (mode {mode:o})")


def _disk(home: Home) -> Finding:
    existing = next(path for path in (home.path, *home.path.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    found = f"{free / 1e9:,.1f} GB free for {home.path}"
    if free > LITTLE_DISK:
        return Finding(name="disk", state=State.GOOD, found=found)
    mend = "Free some space, or move the project's state with OUTLIVE_HOME. Nothing accepted is lost when it runs out."
    return Finding(name="disk", state=State.NOTE if free > NO_DISK else State.FAULT, found=found, mend=mend)


def _unwritable(home: Home) -> list[Finding]:
    """Return what keeps ledger and event log from being written, such as a lock held for longer than a commit takes."""
    found = []
    for path in (home.ledger_db, home.streams_db):
        if path.exists() and (reason := _refusal(path)):
            said = f"{path} cannot be written: {reason}. Calls of agents wait for the ledger; readers miss events"
            mend = "Free the disk, mend the file's permissions, or end the process that holds it locked (`fuser`)."
            found.append(Finding(name=path.stem, state=State.FAULT, found=said, mend=mend))
    return found


def _refusal(path: Path) -> str | None:
    try:
        with closing(sqlite3.connect(path, timeout=LONGEST_LOCK_SECONDS, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE meta SET value = value")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        return str(error)
    return None


async def _owner(home: Home) -> Finding:
    owner = home.owner()
    strangers = [found for found in await find_engines(home.engine_db) if not is_ours(found.command)]
    if strangers:
        found = f"process {strangers[0].pid} runs a Temporal server of its own on {home.engine_db}"
        return Finding(name="owner", state=State.FAULT, found=found, mend="Stop it: two servers on one file stall.")
    if owner is not None:
        return Finding(name="owner", state=State.GOOD, found=f"process {owner.pid}: {owner.command}")
    if orphans := await find_engines(home.engine_db):
        found = f"engine {orphans[0].pid} runs without its owner"
        return Finding(name="owner", state=State.NOTE, found=found, mend="The next `outlive up` ends it.")
    return Finding(name="owner", state=State.GOOD, found="nobody: `outlive up` may take it")


def _ports(settings: Settings, home: Home) -> list[Finding]:
    if home.live_state() is not None:
        return []
    wanted = {"OUTLIVE_PORT": settings.port, "OUTLIVE_UI_PORT": settings.ui_port}
    taken = [f"{port} ({name})" for name, port in wanted.items() if port and not is_free(port)]
    if taken:
        mend = "Stop what listens there, choose another, or unset it to take any free port."
        return [Finding(name="ports", state=State.FAULT, found=f"taken: {', '.join(taken)}", mend=mend)]
    chosen = ", ".join(f"{port} ({name})" for name, port in wanted.items() if port)
    return [Finding(name="ports", state=State.GOOD, found=f"free: {chosen}" if chosen else "any that are free")]


async def _temporal(settings: Settings, *, owns_retention: bool) -> AsyncIterator[Finding]:
    try:
        client = await connect(settings)
    except OutliveError as error:
        yield Finding(name="temporal", state=State.FAULT, found=str(error))
        return
    try:
        retention = await read_retention(client)
        address = client.service_client.config.target_host
        yield Finding(name="temporal", state=State.GOOD, found=f"{address} answers, namespace {client.namespace!r}")
        yield _retention(retention, settings, is_ours=owns_retention)
        yield await _workers(client, settings)
        yield await _stuck_runs(client)
        for finding in await _unserved_runs(client, settings):
            yield finding
        yield await _handoffs(client)
    except RPCError as error:
        mend = "Check the address, namespace and credentials; for the embedded engine see its log in .outlive/logs."
        yield Finding(name="temporal", state=State.FAULT, found=f"the call failed: {error.message}", mend=mend)


def _retention(found: timedelta, settings: Settings, *, is_ours: bool) -> Finding:
    text = f"finished runs are kept for {found.days} days"
    if not is_ours or found.days == settings.retention_days:
        return Finding(name="retention", state=State.GOOD, found=text)
    mend = f"OUTLIVE_RETENTION_DAYS says {settings.retention_days}: it is set when `outlive up` starts again."
    return Finding(name="retention", state=State.NOTE, found=text, mend=mend)


async def _workers(client: Client, settings: Settings) -> Finding:
    home = Home(settings.home)
    presence = Presence(home)
    if presence.is_complete:
        count = presence.count(settings.task_queue)
        found = f"{count} alive, serving {home.recorded_app() or 'the built-in functions'}"
    else:
        count = await count_pollers(client, settings.task_queue)
        found = f"{count} polled {settings.task_queue!r} lately"
    if count:
        return Finding(name="workers", state=State.GOOD, found=found)
    found = f"nobody polls the task queue {settings.task_queue!r}: whatever is started there waits"
    mend = f"Start workers with `outlive up`, and see {Path('logs') / 'worker-0.log'} in the state folder if it runs."
    return Finding(name="workers", state=State.FAULT, found=found, mend=mend)


async def _stuck_runs(client: Client) -> Finding:
    count = 0
    names: list[str] = []
    async for run in client.list_workflows(STUCK_RUNS):
        count += 1
        if len(names) < MOST_RUNS_NAMED:
            names.append(run.id)
    if not count:
        return Finding(name="runs", state=State.GOOD, found="none is stuck")
    more = f" and {count - len(names)} more" if count > len(names) else ""
    found = f"{count} stuck, their workflow code fails: {', '.join(names)}{more}"
    mend = "`outlive show ID` says what each one misses. Once the code is mended they go on by themselves."
    return Finding(name="runs", state=State.FAULT, found=found, mend=mend)


async def _unserved_runs(client: Client, settings: Settings) -> list[Finding]:
    """Return the runs of agents that the workers which are there do not have."""
    presence = Presence(Home(settings.home))
    served = presence.served(settings.task_queue) if presence.is_complete else None
    if not served:  # there are no workers, which is said already, or they are elsewhere
        return []
    by_agent: dict[str, list[str]] = {}
    async for run in client.list_workflows(RUNNING_AGENTS):
        agent = (split_agent_workflow_id(run.id) or ("",))[0]
        if run.task_queue == settings.task_queue and agent not in served:
            by_agent.setdefault(agent, []).append(run.id.removeprefix(AGENT_WORKFLOW_ID_PREFIX))
    return [
        Finding(
            name="agents",
            state=State.FAULT,
            found=f"no worker serves agent {agent!r}, which {len(ids)} runs need: {', '.join(ids[:MOST_RUNS_NAMED])}",
            mend=no_agent(agent, served),
        )
        for agent, ids in sorted(by_agent.items())
    ]


async def _handoffs(client: Client) -> Finding:
    """Look for runs of agents that wait for a person: as they should, but somebody has to hear of it."""
    count = 0
    named: list[str] = []
    async for run in client.list_workflows(RUNNING_AGENTS):
        questions = await read_questions(run)
        if not questions:
            continue
        count += 1
        if len(named) < MOST_RUNS_NAMED:
            name = run.id.removeprefix(AGENT_WORKFLOW_ID_PREFIX)
            command = questions[0].command(name, "|".join(questions[0].choices), is_alone=True)
            named.append(f"{in_line(questions[0].reason)} `{command}`")
    if not count:
        return Finding(name="hand-offs", state=State.GOOD, found="no run waits for a person")
    found = f"{count} run{'s wait' if count > 1 else ' waits'} for a person"
    more = [f"and {count - len(named)} more: `outlive runs --state parked`"] if count > len(named) else []
    return Finding(name="hand-offs", state=State.NOTE, found=found, mend="\n".join([*named, *more]))


async def _ledgers(settings: Settings, home: Home, unwritable: list[Finding]) -> AsyncIterator[Finding]:
    if not settings.ledger and any(finding.name == home.ledger_db.stem for finding in unwritable):
        return
    yield await _ledger(settings, home)
    for finding in await delivery_findings(settings, home):
        yield finding


async def _ledger(settings: Settings, home: Home) -> Finding:
    if not settings.ledger and not home.ledger_db.exists():
        found = f"{home.ledger_db} will be created by the first command"
        return Finding(name="ledger", state=State.GOOD, found=found)
    try:
        async with Ledger(ledger_of(settings), keys=keyring_of(settings)) as ledger:
            return Finding(name="ledger", state=State.GOOD, found=f"{ledger.name} answers")
    except (EncryptionError, LedgerError) as error:
        mend = "Nothing is lost meanwhile: workers wait for it." if settings.ledger else ""
        return Finding(name="ledger", state=State.FAULT, found=str(error), mend=mend)


def _sizes(home: Home) -> Finding:
    parts = {"engine": "engine.db*", "ledger": "ledger.db*", "streams": "streams.db*", "payloads": "payloads*"}
    sizes = {name: sum(_size(path) for path in home.path.glob(pattern)) for name, pattern in parts.items()}
    found = ", ".join(f"{name} {size / 1e6:,.1f} MB" for name, size in sizes.items() if size)
    return Finding(name="sizes", state=State.GOOD, found=found or "nothing is kept yet")


def _housekeeping(home: Home, settings: Settings) -> Finding:
    record = read_record(home)
    hours = settings.housekeeping_hours
    plan = f"`outlive up` has one each {hours:g} h" if hours else "`outlive clean` has one"
    found = f"no round yet: {plan}"
    if record.ended_at is not None:
        removed = record.summary
        size = f"{removed.get('payload_bytes', 0) / 1e6:,.1f} MB"
        what = f"{removed.get('runs', 0):,} runs and {removed.get('payloads', 0):,} payloads ({size})"
        found = f"the last round, {_ago(record.ended_at)}, removed {what}; {plan}"
    if record.began_at is not None and record.began_at > (record.ended_at or 0.0):
        found = f"{found}; one that began {_ago(record.began_at)} has not ended"
    if not record.failure:
        return Finding(name="housekeeping", state=State.GOOD, found=found)
    failing = duration(max(0.0, time.time() - (record.failing_since or time.time())))
    found = f"rounds have failed for {failing}: {record.failure}"
    mend = "Nothing is lost, the folder only grows. `outlive clean` tries again."
    return Finding(name="housekeeping", state=State.NOTE, found=found, mend=mend)


def _ago(at: float) -> str:
    return f"{duration(max(0.0, time.time() - at))} ago"


def _size(path: Path) -> int:
    """Return the bytes of a file, or of the files in a folder, up to a number of them that is looked at quickly."""
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in islice(path.rglob("*"), MOST_FILES) if file.is_file())
        return path.stat().st_size
    except OSError:  # it is just being removed
        return 0
