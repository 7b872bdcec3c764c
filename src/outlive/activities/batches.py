"""The small activities of a batch: counting and marking in the ledger."""

from temporalio import activity

from outlive.activities.telling import Teller
from outlive.contracts.batches import BatchMark, MissingDocuments
from outlive.contracts.notifications import Occurrence
from outlive.ledger.ledger import Ledger
from outlive.ledger.records import BatchState
from outlive.names import COUNT_MISSING, MARK_BATCH
from outlive.notify.events import progress_data


class BatchBooks:
    """Reads and writes of whole batches, on behalf of the batch workflow."""

    def __init__(self, ledger: Ledger, teller: Teller) -> None:
        self._ledger = ledger
        self._teller = teller

    @activity.defn(name=COUNT_MISSING)
    async def count_missing(self, batch_id: str) -> MissingDocuments:
        """Return how many documents of the batch have no outcome, and where the first of them is."""
        count, first = await self._ledger.call(self._ledger.batches.first_missing, batch_id)
        return MissingDocuments(count=count, first=first)

    @activity.defn(name=MARK_BATCH)
    async def mark_batch(self, mark: BatchMark) -> None:
        """Write down where the batch stands, and what is to be told of it."""
        state = BatchState(mark.state)
        await self._ledger.call(self._ledger.batches.set_state, mark.batch_id, state, mark.reason)
        occurrence = _OCCURRENCES[state]
        if occurrence is Occurrence.RESUMED and mark.is_beginning:
            occurrence = Occurrence.STARTED
        if not await self._teller.is_heard():
            return
        progress = await self._ledger.call(self._ledger.batches.progress, mark.batch_id)
        data = {"batch_id": mark.batch_id, **progress_data(progress)} | ({"reason": mark.reason} if mark.reason else {})
        key = "" if mark.is_beginning else activity.info().activity_id
        await self._teller.tell_here(occurrence, data, key=key)


_OCCURRENCES = {
    BatchState.RUNNING: Occurrence.RESUMED,
    BatchState.PAUSED: Occurrence.PAUSED,
    BatchState.FINISHED: Occurrence.COMPLETED,
    BatchState.CANCELLED: Occurrence.CANCELLED,
}
