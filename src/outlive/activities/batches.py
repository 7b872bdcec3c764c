"""The small activities of a batch: counting and marking in the ledger."""

from temporalio import activity

from outlive.contracts.batches import BatchMark, MissingDocuments
from outlive.ledger.ledger import Ledger
from outlive.ledger.records import BatchState
from outlive.names import COUNT_MISSING, MARK_BATCH


class BatchBooks:
    """Reads and writes of whole batches, on behalf of the batch workflow."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn(name=COUNT_MISSING)
    async def count_missing(self, batch_id: str) -> MissingDocuments:
        """Return how many documents of the batch have no outcome, and where the first of them is."""
        count, first = await self._ledger.call(self._ledger.batches.first_missing, batch_id)
        return MissingDocuments(count=count, first=first)

    @activity.defn(name=MARK_BATCH)
    async def mark_batch(self, mark: BatchMark) -> None:
        """Write down where the batch stands."""
        await self._ledger.call(self._ledger.batches.set_state, mark.batch_id, BatchState(mark.state), mark.reason)
