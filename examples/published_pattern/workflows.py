"""The workflow of the published pattern: one after the other, one activity for each document."""

from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities import analyze_document


@dataclass
class AnalysisRequest:
    """The documents to analyze."""

    urls: list[str] = field(default_factory=list)


@workflow.defn
class DocumentAnalysisWorkflow:
    """Analyzes every document and returns all summaries."""

    def __init__(self) -> None:
        self.summaries: list[str] = []

    @workflow.run
    async def run(self, request: AnalysisRequest) -> list[str]:
        """Return one summary for each URL, in their order."""
        for url in request.urls:
            summary = await workflow.execute_activity(
                analyze_document,
                url,
                start_to_close_timeout=timedelta(minutes=5),
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_attempts=5
                ),
            )
            self.summaries.append(summary)
        return self.summaries

    @workflow.query
    def progress(self) -> int:
        """Return how many documents are done."""
        return len(self.summaries)
