"""What finishing costs: Outlive beside a script that cannot survive, and beside the two patterns that people write.

    python bench/fetch_rfcs.py && python bench/compare.py            # some 10 minutes on 2 cores
    python bench/compare.py --generated --documents 500 --pairs 1 --in-flight 100    # a short one

1. Wall time at 0.2 s latency, in turns with `baseline.py`: the same reading, calling and parsing.
2. Documents per CPU-second at no latency, worker and engine together: Outlive, the sequential pattern, `gather`.
   The model server and the document server are apart, each in a process of its own.
3. The model client's own share of that.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from temporalio.client import Client

from bench_app import INSTRUCTION, MODEL, Analysis, prompt
from measuring import CACHE, busy_seconds, cpu_seconds, fresh_folder, model_server, post_json, save, table
from outlive.models.calls import Models
from outlive.models.llm import Llm
from outlive.models.outputs import prepare_output
from outlive.settings import Settings
from outlive.testing.document_server import generated_document
from outlive.testing.loopback import server_process
from patterns import Documents, Gather, Sequential
from product import Product, product

HERE = Path(__file__).parent
WARM_UP = 50
CALLS_IN_FLIGHT = 50


async def baseline(documents: Path, in_flight: int) -> dict[str, Any]:
    """Run the plain script, and return what it printed."""
    script = ("baseline.py", str(documents), "--in-flight", str(in_flight))
    process = await asyncio.create_subprocess_exec(sys.executable, *script, cwd=HERE, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    if process.returncode:
        sys.exit(f"baseline.py ended with status {process.returncode}.")
    figures: dict[str, Any] = json.loads(printed)
    return figures


async def in_turns(running: Product, documents: Path, given: argparse.Namespace) -> list[dict[str, Any]]:
    pairs = []
    for turn in range(given.pairs):
        busy = busy_seconds()
        plain = await baseline(documents, given.in_flight)
        run = await running.run(documents, batch_id=f"pair-{turn}", in_flight=given.in_flight)
        pairs.append(
            {
                "documents": plain["documents"],
                "plain_seconds": plain["seconds"],
                "plain_cpu": plain["cpu"],
                "outlive_seconds": run.seconds,
                "of_it_loading": run.load_seconds,
                "outlive_cpu": run.worker_cpu + run.engine_cpu,
                "ratio": run.seconds / plain["seconds"],
                "done": run.progress.done,
                "failed": dict(run.progress.failed),
                "plain_failed": plain["failed"],
                "machine_cpu": busy_seconds() - busy,
            }
        )
        print(f"pair {turn + 1}: plain {plain['seconds']:.2f} s, outlive {run.seconds:.2f} s", flush=True)
    return pairs


async def pattern(running: Product, workflow: Any, documents: Documents) -> dict[str, float]:
    """Run one pattern on the running engine with a worker of its own."""
    address, task_queue = running.supervisor.address, f"pattern-{workflow.__name__}"
    command = (sys.executable, "patterns.py", "worker", address, task_queue)
    worker = await asyncio.create_subprocess_exec(*command, cwd=HERE)
    try:
        client = await Client.connect(address)
        warm_up = Documents(urls=documents.urls[:WARM_UP], in_flight=documents.in_flight)
        await client.execute_workflow(workflow.run, warm_up, id=f"warm-{task_queue}", task_queue=task_queue)
        pids = [worker.pid, running.supervisor.engine_pid]
        cpu, began = cpu_seconds(pids), time.monotonic()
        done = await client.execute_workflow(workflow.run, documents, id=task_queue, task_queue=task_queue)
        return {"documents": done, "seconds": time.monotonic() - began, "cpu": cpu_seconds(pids) - cpu}
    finally:
        worker.terminate()
        await worker.wait()


async def client_alone(count: int) -> dict[str, float]:
    """Return what the model client costs with no reading, no ledger and no engine around it."""
    output = prepare_output(Analysis)
    texts = [generated_document(number) for number in range(count)]
    free = asyncio.Semaphore(CALLS_IN_FLIGHT)
    async with Models(Settings.load()) as models:

        async def call(number: int) -> None:
            async with free:
                llm = Llm(models, model=MODEL, instruction=INSTRUCTION, output=output)
                await llm(prompt(f"alone/{number}", texts[number]))

        await asyncio.gather(*(call(number) for number in range(WARM_UP)))
        cpu, began = time.process_time(), time.monotonic()
        await asyncio.gather(*(call(number) for number in range(count)))
        return {"documents": count, "seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}


async def at_no_latency(running: Product, urls: list[str], given: argparse.Namespace) -> dict[str, dict[str, float]]:
    listed = fresh_folder("compare-lists") / "generated.txt"
    listed.write_text("".join(f"{url}\n" for url in urls))
    found: dict[str, dict[str, float]] = {}
    run = await running.run(listed, batch_id="no-latency", in_flight=given.in_flight)
    found["outlive"] = {
        "documents": run.progress.done,
        "seconds": run.seconds,
        "cpu": run.worker_cpu + run.engine_cpu,
        "engine_cpu": run.engine_cpu,
    }
    found["sequential"] = await pattern(running, Sequential, Documents(urls=urls[: given.sequential]))
    found["gather"] = await pattern(
        running, Gather, Documents(urls=urls[: given.gather], in_flight=min(200, given.in_flight))
    )
    found["model client alone"] = await client_alone(given.gather)
    for name, figures in found.items():
        figures["per_cpu_second"] = figures["documents"] / figures["cpu"]
        figures["cpu_ms_each"] = 1000 * figures["cpu"] / figures["documents"]
        print(f"{name}: {figures['per_cpu_second']:.0f} documents per CPU-second", flush=True)
    return found


def report(pairs: list[dict[str, Any]], found: dict[str, dict[str, float]]) -> str:
    columns = ("plain_seconds", "outlive_seconds", "of_it_loading", "ratio", "plain_cpu", "outlive_cpu", "machine_cpu")
    rows = [
        [place + 1, pair["documents"], *(float(pair[name]) for name in columns)] for place, pair in enumerate(pairs)
    ]
    parts = [table(["pair", "documents", *columns], rows)] if rows else []
    if rows:
        parts.append(f"Median ratio: {statistics.median(pair['ratio'] for pair in pairs):.3f}")
    outlive = found["outlive"]["per_cpu_second"]
    parts.append(
        table(
            ["at no latency", "documents", "seconds", "CPU ms each", "documents per CPU-second", "Outlive is"],
            [
                [
                    name,
                    int(row["documents"]),
                    row["seconds"],
                    row["cpu_ms_each"],
                    row["per_cpu_second"],
                    f"{outlive / row['per_cpu_second']:.1f} times it",
                ]
                for name, row in found.items()
            ],
        )
    )
    share = found["model client alone"]["cpu_ms_each"] / found["outlive"]["cpu_ms_each"]
    parts.append(f"The model client's share of Outlive's CPU: {100 * share:.0f} %")
    return "\n\n".join(parts)


async def measure(given: argparse.Namespace) -> None:
    home = fresh_folder("home-compare")
    count = max(given.documents, given.sequential, given.gather)
    async with (
        server_process("outlive.testing.document_server", "--generated", str(count)) as served,
        model_server(latency=0) as server,
        product(home / "state", workers=given.workers) as running,
    ):
        urls = [f"{served.address}/generated/{number}" for number in range(count)]
        lines = urls if given.generated else given.list.read_text().splitlines()
        documents, warm_up = home / "documents.txt", home / "warm-up.txt"
        documents.write_text("".join(f"{line}\n" for line in lines[: given.documents]))
        warm_up.write_text("".join(f"{url}\n" for url in urls[:WARM_UP]))
        await running.run(warm_up, batch_id="warm-up", in_flight=given.in_flight)
        await post_json(f"{server.address}/_set", {"latency": given.latency})
        pairs = await in_turns(running, documents, given)
        await post_json(f"{server.address}/_set", {"latency": 0.0})
        found = await at_no_latency(running, urls[: given.documents], given)
    print(f"\n{report(pairs, found)}\n")
    print(f"Figures in {save('compare', {'pairs': pairs, 'at_no_latency': found})}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--list", type=Path, default=CACHE / "rfcs.txt", help="documents of the pairs")
    options.add_argument("--generated", action="store_true", help="use generated documents over HTTP for the pairs")
    options.add_argument("--documents", type=int, default=10_000)
    options.add_argument("--pairs", type=int, default=3)
    options.add_argument("--latency", type=float, default=0.2)
    options.add_argument("--in-flight", type=int, default=500)
    options.add_argument("--workers", type=int, default=1, help="Outlive's worker processes; the script is one process")
    options.add_argument("--sequential", type=int, default=400, help="documents for the sequential pattern")
    options.add_argument("--gather", type=int, default=1_000, help="documents for `gather`")
    given = options.parse_args()
    if not given.generated and not given.list.exists():
        sys.exit(f"{given.list} does not exist. Run bench/fetch_rfcs.py first, or use --generated.")
    asyncio.run(measure(given))


if __name__ == "__main__":
    main()
