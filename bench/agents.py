"""What it costs that an agent outlives its process: histories, CPU by tenth of a long run, latency of its calls.

    python bench/agents.py            # some 10 minutes on 2 cores
    python bench/agents.py --quick    # under a minute
    python bench/agents.py calls      # a part: calls, conversation, stock, latency

Prints tables, and keeps the figures in ``bench/.cache/agents.json``.
"""

import argparse
import asyncio
import itertools
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from temporalio.client import Client, WorkflowFailureError

from agent_app import Mark, asker, talker, text
from agent_runs import CHAIN_HEADER, HERE, Project, bare_marks, chain_of, history_bytes, project
from agent_script import CALLS
from agent_stock import StockAsker, StockLooker, connected
from measuring import busy_seconds, save, table
from outlive import in_memory
from outlive.testing.loopback import server_process

RESULT_SIZE = 5_000  # bytes of a tool's result
TURN_SIZE = 4_000  # bytes of what is said in a turn, and of what is answered
BYTES_PER_TOKEN = 4
MODEL_LATENCY = 0.05  # seconds
STOCK_QUEUE = "stock"
STOCK_EVENTS_PER_CALL = 12  # of a model call and a tool call
WARM_UPS = 2  # turns that open connections, and are not counted
PARTS = ("calls", "conversation", "stock", "latency")


def tenths(marks: Sequence[Mark], what: Callable[[Mark], float]) -> list[float]:
    """Return milliseconds of something per tool call, with the model call before it, for each tenth of a run."""
    return [
        (what(later) - what(earlier)) / (later.number - earlier.number) * 1e3
        for earlier, later in itertools.pairwise(marks)
    ]


def medians(rows: Sequence[Sequence[float]]) -> list[float]:
    return [statistics.median(column) for column in zip(*rows, strict=True)]


async def calls_part(running: Project, *, calls: int, turns: int) -> dict[str, Any]:
    """Measure a run of many tool calls, in turns with the same agent bare."""
    bare, durable, chains, growths = [], [], [], []
    for turn in range(turns):
        bare.append(tenths(await bare_marks(calls, RESULT_SIZE), lambda mark: mark.process))
        before = running.sizes()
        run_id = f"{calls}-{turn}"
        durable.append(await running.look(calls, RESULT_SIZE, run_id))
        growths.append({name: size - before[name] for name, size in running.sizes().items()})
        chains.append(await chain_of(await running.client.temporal(), f"agent/looker/{run_id}"))
    in_memory_cpu = medians(bare)
    worker = medians([tenths(marks, lambda mark: mark.process) for marks in durable])
    engine = medians([tenths(marks, lambda mark: mark.engine) for marks in durable])
    clock = medians([tenths(marks, lambda mark: mark.clock) for marks in durable])
    total = [a + b for a, b in zip(worker, engine, strict=True)]
    added = [a - b for a, b in zip(total, in_memory_cpu, strict=True)]
    header = ["CPU ms a tool call, with its model call", *(f"{n}0 %" for n in range(1, 11)), "last / first"]
    named = {
        "worker": worker,
        "engine": engine,
        "worker + engine": total,
        "bare in memory": in_memory_cpu,
        "difference: durability": added,
        "(clock)": clock,
    }
    shown = [
        [name, *(f"{value:.1f}" for value in row), f"{row[-1] / row[0]:.2f}" if row[0] else ""]
        for name, row in named.items()
    ]
    print(f"\n{calls} tool calls of {RESULT_SIZE:,} bytes, {turns} times (medians)\n")
    print(table(header, shown), flush=True)
    print("\n" + table(CHAIN_HEADER, [chain.row() for chain in chains]), flush=True)
    print("\n" + table([f"{name}.db MB" for name in growths[-1]], [[*growths[-1].values()]]), flush=True)
    return {"cpu_ms": named, "chains": [chain.row() for chain in chains], "growth_mb": growths}


async def conversation_part(running: Project, *, turns: int) -> dict[str, Any]:
    """Measure a conversation that grows long."""
    conversation = await running.client.conversation(talker, conversation_id=f"long-{turns}")
    before, taken, said = running.sizes(), [], 0
    for number in range(turns):
        began = time.perf_counter()
        answer = await conversation.ask(text(1_000_000 + number, TURN_SIZE))
        taken.append((time.perf_counter() - began) * 1e3)
        said += TURN_SIZE + len(answer)
    await conversation.close()
    result = await conversation.result()
    growth = {name: size - before[name] for name, size in running.sizes().items()}
    chain = await chain_of(await running.client.temporal(), conversation.workflow_id)
    tenth = max(1, turns // 10)
    first, last = statistics.median(taken[:tenth]), statistics.median(taken[-tenth:])
    row = [said // BYTES_PER_TOKEN, result.turns, *chain.row(), first, last, last / first]
    header = ["tokens", "turns", *CHAIN_HEADER, "ms a turn, first tenth", "last tenth", "ratio"]
    print("\nA conversation\n\n" + table(header, [row]), flush=True)
    print("\n" + table([f"{name}.db MB" for name in growth], [[*growth.values()]]), flush=True)
    return {"row": row, "milliseconds": taken, "growth_mb": growth}


@asynccontextmanager
async def stock_worker(running: Project) -> AsyncIterator[Client]:
    """Run a worker of the stock integration on the project's engine."""
    address = running.supervisor.address
    command = (sys.executable, "agent_stock.py", address, STOCK_QUEUE)
    # its standard output is Temporal's warnings: one for each payload that nears the limit
    worker = await asyncio.create_subprocess_exec(*command, cwd=HERE, stdout=asyncio.subprocess.DEVNULL)
    try:
        client = await connected(address)
        await client.execute_workflow(StockLooker.run, "5 100", id="stock-warm-up", task_queue=STOCK_QUEUE)
        yield client
    finally:
        worker.terminate()
        await worker.wait()


async def stock_part(stock: Client, *, calls: Sequence[int]) -> dict[str, Any]:
    """Let the stock integration make many tool calls, until its server ends it."""
    rows = []
    for count in calls:
        workflow_id, prompt, began = f"stock-{count}", f"{count} {RESULT_SIZE}", time.perf_counter()
        try:
            await stock.execute_workflow(StockLooker.run, prompt, id=workflow_id, task_queue=STOCK_QUEUE)
            ending = "done"
        except WorkflowFailureError as error:
            ending = f"{type(error.cause).__name__}: {error.cause}"
        seconds = time.perf_counter() - began
        run = await stock.get_workflow_handle(workflow_id).describe()
        made = min(count, run.history_length // STOCK_EVENTS_PER_CALL)
        rows.append([count, made, run.history_length, history_bytes(run) / 1e3, seconds, ending])
    header = ["tool calls asked", "made", "events", "history KB", "seconds", "ending"]
    print("\nThe stock integration\n\n" + table(header, rows), flush=True)
    return {"rows": rows}


async def latency_part(running: Project, stock: Client, *, turns: int) -> dict[str, Any]:
    """Measure the time from asking to the result, three ways, in turns."""
    took: dict[tuple[str, str], list[float]] = {}

    async def by_stock(prompt: str, number: int) -> str:
        workflow_id = f"stock-{prompt}-{number}".replace(" ", "-")
        return await stock.execute_workflow(StockAsker.run, prompt, id=workflow_id, task_queue=STOCK_QUEUE)

    async def by_outlive(prompt: str, number: int) -> str:
        run_id = f"{prompt}-{number}".replace(" ", "-")
        return str((await (await running.client.start_run(asker, prompt, run_id=run_id)).result()).output)

    ways = {"bare": _bare, "stock": by_stock, "outlive": by_outlive}
    for number in range(-WARM_UPS, turns):
        order = [*ways][number % len(ways) :] + [*ways][: number % len(ways)]
        for prompt, name in itertools.product(CALLS, order):
            spent = await _seconds(ways[name](prompt, number))
            if number >= 0:
                took.setdefault((prompt, name), []).append(spent * 1e3)
    return _latency_tables(took, turns)


def _latency_tables(took: dict[tuple[str, str], list[float]], turns: int) -> dict[str, Any]:
    rows, per_call = [], []
    for prompt, calls in CALLS.items():
        plain = took[prompt, "bare"]
        for way in ("bare", "stock", "outlive"):
            taken = took[prompt, way]
            more = [a - b for a, b in zip(taken, plain, strict=True)]
            made = f"{2 if calls else 1} model, {calls} tool"
            rows.append([made, way, *_p50_p90(taken), *_p50_p90(more), _p50_p90(taken)[0] / _p50_p90(plain)[0]])
    for way in ("stock", "outlive"):
        none, once, twice = (
            statistics.median(a - b for a, b in zip(took[prompt, way], took[prompt, "bare"], strict=True))
            for prompt in CALLS
        )
        tool = twice - once
        model = once - none - tool
        per_call.append([way, model, tool, none - model])
    print(f"\nLatency, a model that takes {MODEL_LATENCY * 1e3:.0f} ms, {turns} turns\n")
    print(table(["calls", "way", "p50 ms", "p90 ms", "added p50", "added p90", "ratio"], rows))
    print("\n" + table(["added p50 ms", "a model call", "a tool call", "start and end of a run"], per_call), flush=True)
    return {"rows": rows, "per_call": per_call, "milliseconds": {" / ".join(key): row for key, row in took.items()}}


async def _bare(prompt: str, _: int) -> str:
    with in_memory():
        return str((await asker.run(prompt)).output)


async def _seconds(work: Awaitable[str]) -> float:
    began = time.perf_counter()
    assert await work == "done"
    return time.perf_counter() - began


def _p50_p90(values: Sequence[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(values, n=10, method="inclusive")
    return statistics.median(values), cuts[8]


async def measure(given: argparse.Namespace) -> dict[str, Any]:
    script = ("--script", f"{HERE / 'agent_script.py'}:script", "--latency", str(MODEL_LATENCY))
    async with server_process("outlive.testing.scripted_model", *script) as server:
        os.environ |= {"OPENAI_BASE_URL": f"{server.address}/v1", "OPENAI_API_KEY": "none"}
        async with project("agents") as running:
            busy, began = busy_seconds(), time.monotonic()
            figures = await measure_parts(running, given)
            share = (busy_seconds() - busy) / (time.monotonic() - began)
    load = os.getloadavg()
    print(f"\nload {load[0]:.1f} / {load[1]:.1f} / {load[2]:.1f}; {share:.2f} cores busy, of {os.cpu_count()}")
    return {**figures, "load": load, "cores_busy": share}


async def measure_parts(running: Project, given: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    if "calls" in given.part:
        for calls in [40] if given.quick else given.calls:
            turns = 1 if given.quick else given.turns
            figures[f"calls-{calls}"] = await calls_part(running, calls=calls, turns=turns)
    if "conversation" in given.part:
        figures["conversation"] = await conversation_part(running, turns=10 if given.quick else 100)
    if {"latency", "stock"} & {*given.part}:
        async with stock_worker(running) as stock:
            if "latency" in given.part:
                figures["latency"] = await latency_part(running, stock, turns=3 if given.quick else 30)
            if "stock" in given.part:
                figures["stock"] = await stock_part(stock, calls=[20] if given.quick else [100, 1_000])
    return figures


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("part", nargs="*", default=PARTS, help=f"of {', '.join(PARTS)}; all, where none is named")
    options.add_argument("--quick", action="store_true")
    options.add_argument("--calls", type=int, nargs="*", default=[300, 1_000], help="tool calls of the long runs")
    options.add_argument("--turns", type=int, default=3, help="how often each long run is made")
    print(f"\nFigures in {save('agents', asyncio.run(measure(options.parse_args())))}")


if __name__ == "__main__":
    main()
