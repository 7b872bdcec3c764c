"""What is asked for when a batch is started."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from outlive.contracts.batches import BatchSpec, ReadingOptions
from outlive.contracts.budgets import Budget
from outlive.contracts.notifications import Notify
from outlive.documents.entries import Entry, address_key
from outlive.documents.sources import Source
from outlive.ledger.records import NewDocument


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


def new_documents(entries: Iterable[Entry]) -> Iterator[NewDocument]:
    """Yield the entries of a source as the ledger takes them."""
    for entry in entries:
        uri, text, fields = entry.uri, entry.text, entry.fields or None
        address = address_key(uri)
        yield NewDocument(uri=uri, address=address, text=text, fields=fields, cause=entry.cause, reason=entry.reason)
