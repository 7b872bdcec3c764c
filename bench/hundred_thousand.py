"""100,000 generated documents: what grows, and what does not.

    python bench/hundred_thousand.py                        # a few minutes on 2 cores
    python bench/hundred_thousand.py --documents 5000       # a short one

Shows the events of each workflow run, the growth of the engine's file, and each worker's memory at 10 % and 100 %.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import Client

from measuring import file_megabytes, fresh_folder, model_server, resident_megabytes, save, table
from outlive.ledger.records import Progress
from outlive.names import batch_workflow_id
from outlive.testing.loopback import server_process
from product import Product, product

MARKS = (0.1, 0.25, 0.5, 0.75, 1.0)
FLAT = 1.10
FINAL = 0.995  # the last look before the end: afterwards nothing is in flight any more


@dataclass
class Watcher:
    """Notes memory and file sizes when the batch passes each mark."""

    running: Product
    engine_file: Path
    marks: dict[float, dict[str, Any]] = field(default_factory=dict)

    def look(self, progress: Progress) -> None:
        """Note what there is to note."""
        share = (progress.done + progress.failed_count) / progress.total
        for mark in MARKS:
            if mark not in self.marks and share >= min(mark, FINAL):
                self.marks[mark] = self.note()
                print(f"{share:6.1%}  {self.marks[mark]}", flush=True)

    def note(self) -> dict[str, Any]:
        """Return the state of things now."""
        return {
            "worker_mb": [round(resident_megabytes(pid), 1) for pid in self.running.supervisor.worker_pids],
            "engine_file_mb": round(file_megabytes(self.engine_file), 2),
        }


async def events_of_runs(client: Client, workflow_id: str) -> AsyncIterator[int]:
    """Yield how many events each run of the workflow has, the newest first."""
    async for found in client.list_workflows(f"WorkflowId = '{workflow_id}'"):
        handle = client.get_workflow_handle(workflow_id, run_id=found.run_id)
        yield (await handle.describe()).history_length


async def measure(given: argparse.Namespace) -> int:
    home = fresh_folder("home-hundred-thousand")
    state, documents, warm_up = home / "state", home / "documents.txt", home / "warm-up.txt"
    async with (
        server_process("outlive.testing.document_server", "--generated", str(given.documents)) as served,
        model_server(latency=given.latency),
        product(state, workers=given.workers) as running,
    ):
        urls = [f"{served.address}/generated/{number}\n" for number in range(given.documents)]
        documents.write_text("".join(urls))
        warm_up.write_text("".join(urls[:50]))
        await running.run(warm_up, batch_id="warm-up", in_flight=given.in_flight)
        before = file_megabytes(state / "engine.db")
        watcher = Watcher(running, state / "engine.db")
        run = await running.run(
            documents, batch_id="large", in_flight=given.in_flight, look=watcher.look, limit=given.limit
        )
        watcher.marks.setdefault(1.0, watcher.note())
        temporal = await running.client.temporal()
        events = [count async for count in events_of_runs(temporal, batch_workflow_id("large"))]
    memory = {mark: max(noted["worker_mb"], default=0.0) for mark, noted in watcher.marks.items()}
    growth = watcher.marks[1.0]["engine_file_mb"] - before
    rows = [
        ("documents done", run.progress.done),
        ("documents failed", run.progress.failed_count),
        ("seconds", run.seconds),
        ("documents a second", run.progress.done / run.seconds),
        ("worker CPU ms a document", 1000 * run.worker_cpu / max(1, run.progress.done)),
        ("engine CPU ms a document", 1000 * run.engine_cpu / max(1, run.progress.done)),
        ("workflow runs", len(events)),
        ("most events of a run", max(events)),
        ("engine file growth, MB", growth),
        *((f"largest worker at {mark:.0%}, MB", megabytes) for mark, megabytes in sorted(memory.items())),
    ]
    is_flat = memory[1.0] <= FLAT * memory.get(MARKS[0], memory[1.0])
    print("\n" + table(["what", "figure"], rows))
    print(f"\nMemory at 100 % is {'within' if is_flat else 'NOT WITHIN'} 10 % of that at 10 %.")
    print(f"Figures in {save('hundred-thousand', {**dict(rows), 'marks': watcher.marks, 'events': events})}")
    return 0 if is_flat and run.progress.done == given.documents else 1


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--documents", type=int, default=100_000)
    options.add_argument("--latency", type=float, default=0.0)
    options.add_argument("--in-flight", type=int, default=500)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--limit", type=float, default=3600.0, help="seconds after which it is given up")
    return asyncio.run(measure(options.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
