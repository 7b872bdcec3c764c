"""Worker processes in folders of their own, as on machines of their own: each is started again when it dies."""

import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

from cluster.children import Child, kept
from outlive.settings import Settings
from outlive.worker.children import worker_environment

REPOSITORY = Path(__file__).parents[2]
APP = "cluster.apps:app"
WORKERS = 3


@contextlib.asynccontextmanager
async def fleet(settings: Settings, environment: Mapping[str, str], *, folder: Path) -> AsyncIterator[list[Child]]:
    """Three workers of the app, for as long as the block runs; what they wrote is shown where it fails."""
    workers = [_worker(number, settings, environment, folder) for number in range(WORKERS)]
    try:
        async with kept(workers):
            yield workers
    except BaseException:
        sys.stdout.writelines(worker.tail() + "\n" for worker in workers)
        raise
    finally:
        for worker in workers:
            if worker.is_running:
                worker.stop()


def _worker(number: int, settings: Settings, environment: Mapping[str, str], folder: Path) -> Child:
    own = folder / f"worker-{number}"
    named = worker_environment(replace(settings, home=own / ".outlive")) | dict(environment)
    named["PYTHONPATH"] = f"{REPOSITORY / 'src'}:{REPOSITORY / 'tests'}"
    worker = Child(own.name, [sys.executable, "-m", "outlive.cli.main", "worker", APP], folder=own, environment=named)
    worker.start()
    return worker
