"""The same reading, calling and parsing in a plain asyncio script: no engine, no ledger, nothing that outlives it.

    python bench/baseline.py LIST [--in-flight 500] [--warm-up 50]

It reads with Outlive's reader and calls with Outlive's model client, so that what a batch adds is all that differs.
It needs ``OPENAI_BASE_URL``; `compare.py` runs it. The figures are printed as one line of JSON.
"""

import argparse
import asyncio
import json
import os
import time
from pathlib import Path

from bench_app import INSTRUCTION, MODEL, Analysis, prompt
from outlive.documents.reader import Reader
from outlive.errors import DocumentError
from outlive.models.calls import Models
from outlive.models.llm import Llm
from outlive.models.outputs import prepare_output
from outlive.settings import Settings
from product import READING


async def analyze_all(documents: list[str], *, in_flight: int, warm_up: int) -> dict[str, float]:
    output = prepare_output(Analysis)
    free = asyncio.Semaphore(in_flight)
    results: list[str] = []
    failed = 0

    async with Reader(READING) as reader, Models(Settings.load()) as models:

        async def analyze(uri: str) -> None:
            nonlocal failed
            async with free:
                try:
                    reading = await reader.read(uri)
                    llm = Llm(models, model=MODEL, instruction=INSTRUCTION, output=output)
                    answer: Analysis = await llm(prompt(uri, reading.text))
                except DocumentError:
                    failed += 1
                else:
                    results.append(answer.model_dump_json())

        await models.prepare(MODEL)
        await asyncio.gather(*(analyze(uri) for uri in documents[:warm_up]))
        results.clear()
        failed = 0
        cpu, began = time.process_time(), time.monotonic()
        await asyncio.gather(*(analyze(uri) for uri in documents))
        seconds = time.monotonic() - began
    return {
        "documents": len(documents),
        "done": len(results),
        "failed": failed,
        "seconds": seconds,
        "cpu": time.process_time() - cpu,
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("documents", type=Path, help="file with one path or URL a line")
    options.add_argument("--in-flight", type=int, default=500)
    options.add_argument("--warm-up", type=int, default=50)
    given = options.parse_args()
    os.environ.setdefault("OPENAI_API_KEY", "none")
    documents = given.documents.read_text().splitlines()
    print(json.dumps(asyncio.run(analyze_all(documents, in_flight=given.in_flight, warm_up=given.warm_up))))


if __name__ == "__main__":
    main()
