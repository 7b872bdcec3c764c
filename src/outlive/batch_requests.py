"""What is asked for when a batch is started."""

from dataclasses import dataclass

from outlive.contracts.batches import BatchSpec, ReadingOptions
from outlive.contracts.budgets import Budget
from outlive.contracts.notifications import Notify
from outlive.contracts.starts import BatchStart
from outlive.documents.reader import check_options
from outlive.documents.sources import Source, open_source
from outlive.models.keys import default_model
from outlive.models.outputs import prepare_output
from outlive.registry import Registry
from outlive.settings import Settings


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    """What to start.

    Attributes:
        function: Name of a batch function of the app.
        source: The documents.
        batch_id: Id that a person reads. None derives one from source and recipe, so that the same request is the same
            batch.
        spec: Everything else that decides the batch; its id, function and recipe are filled in.
        budget: The most that it may spend.
        notify: Who is told of it: one or several `Webhook` and `Kafka`.
    """

    source: Source
    spec: BatchSpec
    batch_id: str | None = None
    budget: Budget | None = None
    notify: Notify = None

    @classmethod
    def of(
        cls,
        function: str,
        source: Source,
        *,
        model: str,
        batch_id: str | None = None,
        instruction: str | None = None,
        concurrency: int = 64,
        reading: ReadingOptions | None = None,
        fresh: bool = False,
        budget: Budget | None = None,
        tenant: str = "",
        notify: Notify = None,
    ) -> "BatchRequest":
        """Return the request for a batch function by name; what is left out is the function's own, or the default."""
        spec = BatchSpec(
            batch_id=batch_id or "",
            function=function,
            model=model,
            instruction=instruction,
            concurrency=concurrency,
            reading=reading or ReadingOptions(),
            fresh=fresh,
            tenant=tenant,
        )
        return cls(source=source, spec=spec, batch_id=batch_id, budget=budget, notify=notify)


def request_for(
    start: BatchStart,
    registry: Registry,
    settings: Settings,
    *,
    batch_id: str | None = None,
    source: Source | None = None,
) -> BatchRequest:
    """Check what can be checked of a batch before it is written down, and return the request for it.

    Args:
        source: The documents, where they are not what ``start.source`` names.

    Raises:
        AppError: If the app has no such batch function.
        SourceError: If the source cannot be read.
        UsageError: If the schema, the reading or the budget cannot be used.
    """
    declared = registry.batch(start.function)
    budget = Budget.parse(start.budget) if start.budget else None
    if start.output_schema is not None:
        prepare_output(start.output_schema)
    check_options(start.reading)
    if source is None:
        source = open_source(
            start.source, column=start.column, text_column=start.text_column, query=start.query, key=start.key
        )
    spec = BatchSpec(
        batch_id=batch_id or "",
        function=start.function,
        model=start.model or declared.model or default_model(settings),
        instruction=start.instruction,
        output_schema=start.output_schema,
        concurrency=start.concurrency or declared.concurrency,
        reading=start.reading,
        long_documents=start.long_documents,
        fresh=start.fresh,
        tenant=start.tenant,
    )
    return BatchRequest(source=source, batch_id=batch_id, budget=budget, spec=spec)
