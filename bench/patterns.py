"""The two patterns that people write, with Outlive's reader and model client, so that only the pattern differs.

python bench/patterns.py worker ADDRESS TASK_QUEUE       # what `compare.py` starts
"""

import asyncio
import sys
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from bench_app import INSTRUCTION, MODEL, Analysis, prompt
    from outlive.documents.reader import Reader
    from outlive.models.calls import Models
    from outlive.models.llm import Llm
    from outlive.models.outputs import prepare_output
    from outlive.settings import Settings
    from product import READING

TIMEOUT = timedelta(minutes=5)
RETRIES = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=5)


@dataclass
class Documents:
    """What a pattern works on."""

    urls: list[str]
    in_flight: int = 1


@workflow.defn
class Sequential:
    """The published pattern: one activity after the other."""

    @workflow.run
    async def run(self, documents: Documents) -> int:
        """Return how many summaries there are."""
        summaries = [
            await workflow.execute_activity(
                "analyze_document", url, result_type=str, start_to_close_timeout=TIMEOUT, retry_policy=RETRIES
            )
            for url in documents.urls
        ]
        return len(summaries)


@workflow.defn
class Gather:
    """The same with `asyncio.gather` and a semaphore."""

    @workflow.run
    async def run(self, documents: Documents) -> int:
        """Return how many summaries there are."""
        free = asyncio.Semaphore(documents.in_flight)

        async def analyze(url: str) -> str:
            async with free:
                summary: str = await workflow.execute_activity(
                    "analyze_document", url, result_type=str, start_to_close_timeout=TIMEOUT, retry_policy=RETRIES
                )
                return summary

        return len(await asyncio.gather(*(analyze(url) for url in documents.urls)))


async def serve(address: str, task_queue: str) -> None:
    output = prepare_output(Analysis)
    async with Reader(READING) as reader, Models(Settings.load()) as models:
        await models.prepare(MODEL)

        @activity.defn
        async def analyze_document(url: str) -> str:
            reading = await reader.read(url)
            llm = Llm(models, model=MODEL, instruction=INSTRUCTION, output=output)
            answer: Analysis = await llm(prompt(url, reading.text))
            return answer.model_dump_json()

        client = await Client.connect(address)
        worker = Worker(
            client,
            task_queue=task_queue,
            workflows=[Sequential, Gather],
            activities=[analyze_document],
            max_concurrent_activities=500,
        )
        await worker.run()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[2:4]))
