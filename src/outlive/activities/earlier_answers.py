"""Looking for answers that an earlier batch has paid for, many documents in one query."""

import asyncio

from outlive.ledger.ledger import Ledger
from outlive.ledger.window import WindowLedger

GATHER_SECONDS = 0.002
"""How long a look-up waits for company: a query for many costs little more than a query for one."""


class EarlierAnswers:
    """Answers of earlier batches of the same recipe; ``only_from`` one of them, where it is given."""

    def __init__(self, ledger: Ledger, window_ledger: WindowLedger, only_from: str | None) -> None:
        self._ledger = ledger
        self._window_ledger = window_ledger
        self._only_from = only_from
        self._keys: set[str] = set()
        self._look: asyncio.Task[dict[str, tuple[str, str | None]]] | None = None

    async def find(self, content_key: str) -> tuple[str, str | None] | None:
        """Return result and model of a document with this content and recipe, or None."""
        self._keys.add(content_key)
        if self._look is None:
            self._look = asyncio.create_task(self._look_up())
        return (await asyncio.shield(self._look)).get(content_key)

    async def _look_up(self) -> dict[str, tuple[str, str | None]]:
        await asyncio.sleep(GATHER_SECONDS)
        keys, self._keys, self._look = self._keys, set(), None
        return await self._ledger.call(self._window_ledger.find_answers, keys, self._only_from)
