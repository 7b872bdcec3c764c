"""Results of calls on their way into payload store and ledger."""

import asyncio
import logging
from typing import Any

from temporalio import activity
from temporalio.api.common.v1 import Payload

from outlive.errors import PayloadError, PayloadMissing, PayloadTooLarge
from outlive.ledger.outages import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS

logger = logging.getLogger(__name__)


async def as_payload(result: Any) -> Payload:
    """Return the result of a call that was made, as it is recorded; what is large lies in the payload store by then.

    A store that does not answer is waited for, however long it takes: given up, the call would be made again. The
    activity heartbeats meanwhile, and so learns when it is given up itself.

    Raises:
        PayloadTooLarge: For a result that no store takes.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            (payload,) = await activity.client().data_converter.encode([result])
        except (PayloadTooLarge, PayloadMissing):
            raise
        except PayloadError as error:
            logger.warning("A result waits for the payload store", extra={"reason": str(error)})
        else:
            return payload
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
