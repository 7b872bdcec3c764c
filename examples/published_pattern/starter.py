"""Start the published pattern on a file of URLs, one a line, and wait for its summaries."""

import asyncio
import sys
import time
from pathlib import Path

from temporalio.client import Client, WorkflowFailureError
from temporalio.envconfig import ClientConfig
from worker import TASK_QUEUE
from workflows import AnalysisRequest, DocumentAnalysisWorkflow


async def main(urls: list[str]) -> int:
    client = await Client.connect(**{"target_host": "localhost:7233"} | ClientConfig.load_client_connect_config())
    began = time.monotonic()
    handle = await client.start_workflow(
        DocumentAnalysisWorkflow.run,
        AnalysisRequest(urls=urls),
        id=f"document-analysis-{time.time():.0f}",
        task_queue=TASK_QUEUE,
    )
    print(f"Started {handle.id} with {len(urls):,} documents.")
    try:
        summaries = await handle.result()
    except WorkflowFailureError as error:
        description = await handle.describe()
        print(f"{handle.id} ended after {time.monotonic() - began:.1f} s as {error.cause!r}")
        print(f"{description.history_length:,} history events; no summary was returned.")
        return 1
    print(f"{len(summaries):,} summaries after {time.monotonic() - began:.1f} s. The first: {summaries[0]!r}")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]).read_text().split())))
