"""What one worker process keeps open while it works on windows of one batch."""

import asyncio
import contextlib
import gc
import json
import math
import platform
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

from outlive.activities.earlier_answers import EarlierAnswers
from outlive.activities.paying import BatchPayer
from outlive.activities.permits import Permits
from outlive.contracts.batches import BatchSpec, WindowInput
from outlive.documents.reader import Reader
from outlive.errors import BatchError, LedgerError, ModelOverloaded
from outlive.ledger.ledger import Ledger
from outlive.ledger.window import WindowLedger
from outlive.models.calls import Models
from outlive.models.outputs import Output, prepare_output
from outlive.money.purse import Purse
from outlive.registry import BatchFunction, Registry
from outlive.settings import Settings

CONTROL_SECONDS = 1.0
"""How often a worker looks whether the batch's concurrency was changed."""


class BatchRuntime:
    """One batch as one worker process sees it: spec, function, reader, and its share of the concurrency."""

    def __init__(self, *, spec: BatchSpec, function: BatchFunction, ledger: WindowLedger, output: Output) -> None:
        self.spec = spec
        self.function = function
        self.ledger = ledger
        self.output = output
        self.reader = Reader(spec.reading, machine=spec.machine)
        self.permits = Permits(0)
        self.suspects = asyncio.Lock()
        self.earlier_answers: EarlierAnswers | None = None
        self.payer: BatchPayer | None = None
        self.open_windows = 0
        self._concurrency = spec.concurrency
        self._windows_in_flight = 1
        self._read_at = 0.0

    def resize(self, windows_in_flight: int | None = None) -> None:
        """Take this process's share of the batch's concurrency: as much of it as of the windows.

        Rounded up, so that a process with a window never stands still: at most one document a process too many.
        """
        self._windows_in_flight = windows_in_flight or self._windows_in_flight
        share = self._concurrency * self.open_windows / self._windows_in_flight
        self.permits.resize(min(self._concurrency, math.ceil(share)))

    async def refresh(self, ledger: Ledger) -> None:
        """Look whether the batch's concurrency was changed, at most once in `CONTROL_SECONDS`."""
        if time.monotonic() - self._read_at < CONTROL_SECONDS:
            return
        self._read_at = time.monotonic()
        with contextlib.suppress(LedgerError):  # a ledger in trouble must not silence the heartbeats
            self._concurrency = await ledger.call(self.ledger.concurrency)
            self.resize()


class BatchRuntimes:
    """The batches that a worker process has windows of, each opened once."""

    def __init__(self, *, registry: Registry, ledger: Ledger, models: Models, settings: Settings, purse: Purse) -> None:
        self.registry = registry
        self.ledger = ledger
        self.models = models
        self._settings = settings
        self._purse = purse
        self._open: dict[str, BatchRuntime] = {}
        self._opening = asyncio.Lock()
        self._prepared = False

    @contextlib.asynccontextmanager
    async def window(self, window: WindowInput) -> AsyncIterator[BatchRuntime]:
        """Give the window's batch for as long as the window is worked on.

        Raises:
            BatchError: If this worker's ledger does not know the batch.
            AppError: If this worker does not serve the batch's function.
        """
        async with self._opening:
            runtime = self._open.get(window.batch_id)
            if runtime is None:
                runtime = await self._open_batch(window.batch_id)
                await runtime.reader.__aenter__()
                self._open[window.batch_id] = runtime
            runtime.open_windows += 1
            runtime.resize(window.windows_in_flight)
        try:
            yield runtime
        finally:
            runtime.open_windows -= 1
            runtime.resize()
            if not runtime.open_windows:
                del self._open[window.batch_id]
                await runtime.reader.__aexit__(None, None, None)

    async def _prepare(self, model: str) -> None:
        await self.models.prepare(model)
        if not self._prepared:
            self._prepared = True
            gc.collect()
            gc.freeze()  # what was imported stays: looking through it at each collection cost a third of a call's CPU

    def outage_pause(self, error: ModelOverloaded) -> timedelta:
        """Return how long to leave a model alone that answers nobody: as set, or longer where it asks for it."""
        usual = timedelta(seconds=self._settings.outage_pause)
        return max(error.retry_after or usual, usual)

    async def _open_batch(self, batch_id: str) -> BatchRuntime:
        record = await self.ledger.call(self.ledger.batches.find, batch_id)
        if record is None:
            here = f"the ledger of this worker, on {platform.node()!r}, is {self.ledger.name!r}"
            raise BatchError(f"Unknown batch {batch_id!r}: {here}.")
        spec = record.spec
        if self._settings.allow_private_addresses:
            spec = replace(spec, reading=replace(spec.reading, allow_private_addresses=True))
        function = self.registry.batch(spec.function)
        output = await asyncio.to_thread(prepare_output, spec.output_schema or function.output_type)
        await self._prepare(spec.model)
        ledger = await self.ledger.window(batch_id)
        runtime = BatchRuntime(spec=spec, function=function, ledger=ledger, output=output)
        runtime.payer = BatchPayer(self._purse, ledger, spec, output_tokens=self._settings.budget_output_tokens)
        only_from = spec.reuse_from if spec.fresh else None
        may_reuse = not spec.fresh or only_from is not None
        if may_reuse and await self.ledger.call(ledger.has_earlier_answers, spec.recipe, only_from):
            runtime.earlier_answers = EarlierAnswers(self.ledger, ledger, only_from)
        await runtime.refresh(self.ledger)  # it may have been changed since the batch began
        return runtime


def fields_text(fields: object) -> str:
    """Return a document's other columns as the text that goes into its content key."""
    return json.dumps(fields, sort_keys=True, ensure_ascii=False)
