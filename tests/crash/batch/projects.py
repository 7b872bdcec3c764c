"""One project of a test: a ledger and an engine, a model that counts from outside, batches, and workers to kill."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web

from crash.batch.apps import app as crash_app
from crash.workers import WorkerProcess, fork_worker
from engines import DEADLINE, until
from outlive.app import App
from outlive.batch_requests import BatchRequest
from outlive.client import Client
from outlive.contracts.batches import BatchInput, BatchSpec
from outlive.documents.entries import Entry
from outlive.documents.sources import Source
from outlive.engine.connection import connect
from outlive.engine.home import Home
from outlive.handles import BatchHandle, BatchStatus
from outlive.names import BATCH_WORKFLOW, SET_WINDOWS_SIGNAL, batch_workflow_id
from outlive.settings import Settings
from outlive.testing.faults import Fault
from outlive.testing.model_server import ModelServer
from outlive.worker.children import worker_environment
from outlive.worker.process import serve
from outlive.workflows.policies import WORKFLOW_TASK_TIMEOUT

APP = "crash.batch.apps:app"
MODEL = "openai:counting"
QUICK_HEARTBEAT = 3.0  # seconds of silence until a killed worker's window goes on; the policy's 8 would be all waiting


class CountingModel(ModelServer):
    """The counting model server, which can be made to hold its answers and to fail for single documents."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.held = ""
        self._is_holding = False
        self.breaks_on: set[str] = set()
        self._released = asyncio.Event()

    def calls_of(self, name: object) -> int:
        """How many calls for a document have arrived."""
        found = self.counts.documents.get(str(name))
        return len(found.begun) if found else 0

    def hold(self, beginning: str = "") -> None:
        """Give no answer about documents whose name begins so, until `release`."""
        self._released.clear()
        self.held = beginning
        self._is_holding = True

    def release(self) -> None:
        """Answer again."""
        self._is_holding = False
        self._released.set()

    @property
    def waiting(self) -> int:
        """How many calls are in flight now."""
        return self.counts.in_flight

    async def _wait(self, name: str, place: int) -> None:
        await super()._wait(name, place)
        if self._is_holding and name.startswith(self.held):
            await self._released.wait()

    def _fault(self, name: str, place: int) -> web.Response | None:
        if name in self.breaks_on:
            return web.json_response({"error": {"message": "It broke.", "code": "server_error"}}, status=500)
        return super()._fault(name, place)


@dataclass(frozen=True)
class Books:
    """What a ledger file says of one batch, read from outside at one moment."""

    begun: Mapping[int, int]
    recorded: frozenset[int]
    kept_calls: int

    @property
    def in_flight(self) -> set[int]:
        """Documents begun that have no outcome."""
        return set(self.begun) - self.recorded


def read_books(path: Path, batch_id: str) -> Books:
    """Read a ledger as anyone could: with SQLite alone."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        (number,) = file.execute("SELECT number FROM batches WHERE batch_id = ?", (batch_id,)).fetchone()
        begun = dict(file.execute("SELECT position, times FROM begun WHERE batch = ? AND times > 0", (number,)))
        recorded = frozenset(row[0] for row in file.execute("SELECT position FROM outcomes WHERE batch = ?", (number,)))
        (kept,) = file.execute("SELECT count(*) FROM calls WHERE batch = ?", (number,)).fetchone()
    return Books(begun=begun, recorded=recorded, kept_calls=kept)


def is_intact(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with a file."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        return file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def texts(count: int, *, first: int = 0) -> list[str]:
    """Texts that the counting model knows by their number."""
    return [f"[document {number}] What the text number {number} has to say." for number in range(first, first + count)]


def source_of(contents: Iterable[str], description: str = "some texts") -> Source:
    """A source of texts; equal ones have the same address."""
    contents = list(contents)
    entries = [Entry(uri=f"texts#{contents.index(text)}", text=text) for text in contents]
    return Source(description, lambda: iter(entries))


class Project:
    """See the module."""

    def __init__(self, settings: Settings, model: CountingModel, *, app: App = crash_app) -> None:
        self.settings = settings
        self.model = model
        self.app = app
        self.client = Client(settings, app=app)
        self.ledger_path = Home(settings.home).ledger_db
        self.log_folder = settings.home.parent
        self._workers: list[WorkerProcess] = []

    @property
    def environment(self) -> dict[str, str]:
        """What a worker finds its settings and its model with."""
        named = worker_environment(self.settings)  # settings themselves are passed to forked workers as they are
        return named | {"OPENAI_BASE_URL": self.model.base_url, "OPENAI_API_KEY": "sk-test"}

    def request(self, contents: Sequence[str], batch_id: str | None, **spec: Any) -> BatchRequest:
        """A request for a batch of these texts."""
        values = {"batch_id": batch_id or "", "function": "ask", "model": MODEL, "concurrency": 8} | spec
        return BatchRequest(source=source_of(contents), batch_id=batch_id, spec=BatchSpec(**values))

    async def begin(
        self, contents: Sequence[str], batch_id: str, *, windows: Mapping[str, Any] | None = None, **spec: Any
    ) -> BatchHandle:
        """Start a batch of these texts whose windows are small and whose dead are noticed early."""
        return await self.begin_request(self.request(contents, batch_id, **spec), windows)

    async def begin_request(self, request: BatchRequest, windows: Mapping[str, Any] | None = None) -> BatchHandle:
        """Start a batch whose windows are small and whose dead are noticed early."""
        handle = await self.client.load_batch(request)
        batch_id = handle.batch_id
        record = await handle.record()
        plan = BatchInput(
            batch_id=batch_id,
            document_count=record.document_count,
            window_size=10,
            windows_in_flight=2,
            heartbeat_timeout_seconds=QUICK_HEARTBEAT,
        )
        temporal = await self.client.temporal()
        await temporal.start_workflow(
            BATCH_WORKFLOW,
            replace(plan, **(windows or {})),
            id=batch_workflow_id(batch_id),
            task_queue=self.settings.task_queue,
            task_timeout=WORKFLOW_TASK_TIMEOUT,
        )
        return handle

    async def beats(self, handle: BatchHandle, count: int) -> None:
        """Wait until every open window has told the engine so often that it lives, and heard back."""
        temporal = await self.client.temporal()
        workflow = temporal.get_workflow_handle(batch_workflow_id(handle.batch_id))
        seen: dict[str, set[int]] = {}

        async def have_beaten() -> bool:
            for pending in (await workflow.describe()).raw_description.pending_activities:
                seen.setdefault(pending.activity_id, set()).add(pending.last_heartbeat_time.ToNanoseconds())
            return bool(seen) and all(len(beats) > count for beats in seen.values())

        await until(have_beaten, f"{count} heartbeats")

    async def signal_windows(self, handle: BatchHandle, count: int) -> None:
        """Spread a batch over so many windows, whatever its concurrency."""
        temporal = await self.client.temporal()
        await temporal.get_workflow_handle(batch_workflow_id(handle.batch_id)).signal(SET_WINDOWS_SIGNAL, count)

    def start_worker(self, fault: Fault | None = None, *, settings: Settings | None = None) -> WorkerProcess:
        """Start a worker process, with a death in it or none."""
        log = self.log_folder / f"worker-{self.settings.task_queue}-{len(self._workers)}.log"
        worker = fork_worker(APP, settings or self.settings, self.environment, log=log, fault=fault)
        self._workers.append(worker)
        return worker

    @contextlib.asynccontextmanager
    async def serving(self, app: App | None = None, settings: Settings | None = None) -> AsyncIterator[asyncio.Event]:
        """A worker in this very process, for tests that kill nothing."""
        stop = asyncio.Event()
        settings = settings or self.settings
        task = asyncio.create_task(serve(await connect(settings), app or self.app, settings, stop))
        try:
            yield stop
        finally:
            stop.set()
            await task

    async def ended(self, handle: BatchHandle, *, deadline: float = DEADLINE) -> BatchStatus:
        """Wait until a batch has ended; fail with what is known where it does not."""
        try:
            async with asyncio.timeout(deadline):
                return await handle.result()
        except TimeoutError:
            logs = "\n".join(f"{worker.log.name}:\n{worker.log.read_text()[-1500:]}" for worker in self._workers)
            raise AssertionError(f"not ended within {deadline:.0f} s: {await handle.status()}\n{logs}") from None

    def books(self, batch_id: str) -> Books:
        """What the ledger's file says now."""
        return read_books(self.ledger_path, batch_id)

    def write_books(self, batch_id: str, statement: str, **values: object) -> None:
        """Put something into the ledger that takes too long to come about in a test."""
        with contextlib.closing(sqlite3.connect(self.ledger_path)) as file, file:
            (number,) = file.execute("SELECT number FROM batches WHERE batch_id = ?", (batch_id,)).fetchone()
            file.execute(statement, {"batch": number} | values)

    def end(self) -> None:
        """End every worker process that is left."""
        for worker in self._workers:
            worker.end()


@contextlib.asynccontextmanager
async def project_in(
    settings: Settings, set_variable: Callable[[str, str], None], **options: Any
) -> AsyncIterator[Project]:
    """A project with its model server; its worker processes are ended with it."""
    async with CountingModel(**options) as model:
        set_variable("OPENAI_BASE_URL", model.base_url)
        set_variable("OPENAI_API_KEY", "sk-test")
        project = Project(settings, model)
        try:
            async with project.client:
                yield project
        finally:
            model.release()
            project.end()
