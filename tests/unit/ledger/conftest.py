"""Real ledgers, on either database, and batches in them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outlive.contracts.batches import BatchSpec
from outlive.contracts.outcomes import Cause, Outcome, Status
from outlive.ledger.ledger import Ledger
from outlive.ledger.records import BatchRecord, NewDocument


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
async def ledger(where: Path | str) -> AsyncIterator[Ledger]:
    async with Ledger(where) as opened:
        yield opened


@pytest.fixture
async def file_ledger(path: Path) -> AsyncIterator[Ledger]:
    async with Ledger(path) as opened:
        yield opened


def spec(batch_id: str = "b", **values: object) -> BatchSpec:
    return BatchSpec(**{"batch_id": batch_id, "function": "f", "model": "m", "recipe": "r", **values})


def sealed(ledger: Ledger, uris: list[str] | int, batch_id: str = "b", **values: object) -> BatchRecord:
    """A batch of these addresses, ready to run."""
    names = [f"http://a/{number}" for number in range(uris)] if isinstance(uris, int) else uris
    ledger.batches.create(spec(batch_id, **values))
    ledger.batches.add_documents(batch_id, [NewDocument(uri=uri) for uri in names])
    return ledger.batches.seal(batch_id)


def done(position: int, **values: object) -> Outcome:
    return Outcome(**{"position": position, "status": Status.DONE, "result": '"x"', "calls": 1, **values})


def failed(position: int, cause: Cause = Cause.TIMEOUT, **values: object) -> Outcome:
    return Outcome(**{"position": position, "status": Status.FAILED, "cause": cause, "reason": "slow", **values})
