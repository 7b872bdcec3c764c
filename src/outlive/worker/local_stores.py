"""What a worker keeps on its own machine, though its cluster is shared."""

import logging
import platform

from outlive.settings import Settings

logger = logging.getLogger(__name__)


def local_stores(settings: Settings) -> list[str]:
    """Return what workers on other machines would not see, in words; empty where everything is shared."""
    found = []
    if not settings.ledger:
        found.append("the ledger and the event log (set OUTLIVE_LEDGER)")
    if not settings.payloads:
        found.append("large values (set OUTLIVE_PAYLOADS)")
    return found


def warn_of_local_stores(settings: Settings, *, has_cluster: bool) -> None:
    """Say in the log what lies on this machine alone; with an engine of this machine that is as it should be."""
    if has_cluster and (found := local_stores(settings)):
        logger.warning(
            "The cluster may be shared, but files of this machine are not: workers elsewhere would repeat or miss work",
            extra={"machine": platform.node(), "local": found},
        )
