"""The worker of the published pattern. Temporal's own environment says where the cluster is."""

import asyncio

from activities import analyze_document
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker
from workflows import DocumentAnalysisWorkflow

TASK_QUEUE = "document-analysis"


async def main() -> None:
    connection = {"target_host": "localhost:7233"} | ClientConfig.load_client_connect_config()
    client = await Client.connect(**connection)
    worker = Worker(client, task_queue=TASK_QUEUE, workflows=[DocumentAnalysisWorkflow], activities=[analyze_document])
    print(f"Serving {TASK_QUEUE!r} of {connection['target_host']}. Ctrl-C ends it.")
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main())
