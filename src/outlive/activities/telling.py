"""Writing into the outbox what whoever has asked for it is to be told of: part of the activities that keep books."""

import time
from collections.abc import Mapping
from typing import Any

from temporalio import activity

from outlive.contracts.notifications import Occurrence, Target
from outlive.ledger.ledger import Ledger
from outlive.ledger.outbox import NewDelivery
from outlive.names import PLAN_WORKFLOW_ID_PREFIX, UNDO_WORKFLOW_ID_PREFIX
from outlive.notify.events import Event, cloud_event
from outlive.registry import Registry

END_KEY = "ended"
PLAN_SLASHES = 2  # in ``plan/NAME/ID``; a wave has more


class Teller:
    """Records events for the targets of a workflow and of the app. Recording one twice is as recording it once.

    Args:
        lasts: Seconds for which a delivery is tried.
    """

    def __init__(self, registry: Registry, ledger: Ledger, *, lasts: float) -> None:
        self._registry = registry
        self._ledger = ledger
        self._lasts = lasts

    async def tell(self, event: Event) -> None:
        """Record an event, where anybody is to be told of it.

        Raises:
            LedgerError: If the ledger does not take it.
        """
        wanted = await self._wanted(event.workflow_id)
        if not wanted:
            return
        new = NewDelivery(
            event_id=event.event_id,
            workflow_id=event.workflow_id,
            occurrence=event.occurrence,
            body=cloud_event(event, app=self._registry.app),
            at=event.at,
            lasts=self._lasts,
        )
        await self._ledger.call(self._ledger.outbox.add, new, wanted)

    async def is_heard(self) -> bool:
        """Return whether anybody is told of the workflow whose activity this is."""
        return bool(await self._wanted(activity.info().workflow_id or ""))

    async def _wanted(self, workflow_id: str) -> list[Target]:
        told = await self._ledger.call(self._ledger.outbox.told, related(workflow_id))
        return list(dict.fromkeys([*self._registry.notify, *told]))

    async def tell_here(
        self, occurrence: Occurrence, data: Mapping[str, Any], *, key: str = "", at: float | None = None
    ) -> None:
        """Record an event of the workflow whose activity this is.

        Args:
            key: What makes it the same event in this run of the workflow; empty where there is but one of its kind.
        """
        info = activity.info()
        within = END_KEY if occurrence.is_end else key or str(occurrence)
        await self.tell(
            Event(
                workflow_id=info.workflow_id or "",
                occurrence=occurrence,
                key=f"{info.workflow_run_id}\0{within}",
                at=time.time() if at is None else at,
                data=dict(data),
            )
        )

    async def is_conversation(self) -> bool:
        """Return whether the workflow whose activity this is told to somebody answer by answer."""
        return await self._ledger.call(self._ledger.outbox.is_conversation, activity.info().workflow_id or "")


def related(workflow_id: str) -> list[str]:
    """Return a workflow's id, and that of the plan or run that it is a part of."""
    found = [workflow_id]
    if workflow_id.startswith(UNDO_WORKFLOW_ID_PREFIX):
        found.append(workflow_id.removeprefix(UNDO_WORKFLOW_ID_PREFIX))
    waves = [one for one in found if one.startswith(PLAN_WORKFLOW_ID_PREFIX) and one.count("/") > PLAN_SLASHES]
    return found + ["/".join(one.split("/")[: PLAN_SLASHES + 1]) for one in waves]
