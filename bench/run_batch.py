"""10,000 real documents through a batch whose worker is killed with -9 every 10 s and its engine every 30 s.

    python bench/fetch_rfcs.py && python bench/run_batch.py
    python bench/run_batch.py --documents 500 --worker-every 3 --engine-every 8    # a short one

The verdict compares two books: the ledger's outcomes, and the calls that the model server counted by document. A
completed call counts as repeated where the server saw a further call for a document after the document's outcome had
been recorded.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measuring import CACHE, fetch_json, fresh_folder, model_server, save, table
from outlive.demo.verdict import Recorded, recorded_documents
from outlive.ledger.records import Progress
from outlive.worker.supervisor import Supervisor
from product import Run, product


@dataclass
class Killer:
    """Kills a worker and the engine again and again, whenever their time has come."""

    supervisor: Supervisor
    worker_every: float
    engine_every: float
    began: float = field(default_factory=time.monotonic)
    worker_kills: int = 0
    engine_kills: int = 0

    def look(self, progress: Progress) -> None:
        """Kill what is due. Called with every look at the batch, until it has ended."""
        passed = time.monotonic() - self.began
        if passed >= (self.worker_kills + 1) * self.worker_every:
            self.worker_kills += self._kill(random.choice(self.supervisor.worker_pids or [None]), "worker", progress)
        if passed >= (self.engine_kills + 1) * self.engine_every:
            self.engine_kills += self._kill(self.supervisor.engine_pid, "engine", progress)

    def _kill(self, pid: int | None, what: str, progress: Progress) -> int:
        if pid is None:
            return 0
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return 0
        print(f"{time.monotonic() - self.began:6.1f} s  kill -9 {pid} ({what}), {progress.done:,} done", flush=True)
        return 1


def verdict(recorded: list[Recorded], counts: dict[str, Any]) -> dict[str, int]:
    """Return the sums over both books."""
    calls = counts["by_document"]
    pairs = [(document, calls.get(document.uri)) for document in recorded]
    seen = [(document, found) for document, found in pairs if found is not None]
    return {
        "documents": len(recorded),
        "done": sum(document.status == "done" for document in recorded),
        "failed": sum(document.status == "failed" for document in recorded),
        "lost": sum(document.status is None for document in recorded),
        "done without a call": sum(document.status == "done" for document, found in pairs if found is None),
        "calls": counts["calls"],
        "calls completed": counts["completed"],
        "calls abandoned": counts["abandoned"],
        "calls repeated because in flight": counts["repeated"],
        "of these, answered but not yet in the ledger": counts["repeated_after_completion"],
        "under another key": counts["repeated_under_another_key"],
        "completed calls repeated": sum(
            begun > document.recorded_at for document, found in seen for begun in found["begun"] if document.status
        ),
        "begun again (ledger)": sum(document.times_begun > 1 for document in recorded),
    }


def holds(figures: dict[str, int]) -> bool:
    return not (
        figures["lost"]
        or figures["done without a call"]
        or figures["completed calls repeated"]
        or figures["under another key"]
    )


async def measure(given: argparse.Namespace) -> int:
    home = fresh_folder("home-run-batch")
    documents = home / "documents.txt"
    lines = given.list.read_text().splitlines()[:: max(1, given.step)][: given.documents]
    documents.write_text("".join(f"{line}\n" for line in lines))
    async with model_server(latency=given.latency) as server, product(home / "state", workers=given.workers) as running:
        killer = Killer(running.supervisor, given.worker_every, given.engine_every)
        run: Run = await running.run(
            documents, batch_id="rfcs", in_flight=given.in_flight, look=killer.look, limit=given.limit
        )
        record = await run.handle.record()
        ledger = running.client.ledger
        recorded = await ledger.call(recorded_documents, ledger.engine, record.number)
        counts = await fetch_json(f"{server.address}/_counts?documents=all")
    figures = verdict(recorded, counts)
    kills = {"worker kills": killer.worker_kills, "engine kills": killer.engine_kills}
    failed = dict(run.progress.failed)
    rows = [*figures.items(), *kills.items(), ("seconds", run.seconds), ("failed by cause", failed or "none")]
    print("\n" + table(["what", "count"], rows))
    is_held = holds(figures) and min(kills.values()) > 0
    print(f"\n{'The verdict holds.' if is_held else 'THE VERDICT DOES NOT HOLD.'}")
    path = save("run-batch", {"figures": figures, **kills, "seconds": run.seconds, "failed": failed, "holds": is_held})
    print(f"Figures in {path}")
    return 0 if is_held else 1


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--list", type=Path, default=CACHE / "rfcs.txt", help="file with one path or URL a line")
    options.add_argument("--documents", type=int, default=10_000)
    options.add_argument("--step", type=int, default=1, help="take every Nth document of the list")
    options.add_argument("--latency", type=float, default=0.2)
    options.add_argument("--in-flight", type=int, default=500)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--worker-every", type=float, default=10.0, help="seconds between two kills of a worker")
    options.add_argument("--engine-every", type=float, default=30.0, help="seconds between two kills of the engine")
    options.add_argument("--limit", type=float, default=1800.0, help="seconds after which it is given up")
    given = options.parse_args()
    if not given.list.exists():
        sys.exit(f"{given.list} does not exist. Run bench/fetch_rfcs.py first.")
    return asyncio.run(measure(given))


if __name__ == "__main__":
    sys.exit(main())
