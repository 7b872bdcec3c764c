import asyncio
import time

import pytest

from outlive.engine.home import Home
from outlive.errors import LedgerError
from outlive.ledger.effects import EffectClaim, EffectState, Standing
from outlive.ledger.ledger import Ledger
from outlive.worker import leases
from outlive.worker.holdings import Holdings
from outlive.worker.leases import Leases


def claim(owner: str) -> EffectClaim:
    return EffectClaim(
        effect_key="k", workflow_id="w", activity_id="1", kind="tool", name="t", owner=owner, lease_seconds=3.0
    )


@pytest.fixture
async def ledger(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "LEASE_SECONDS", 3.0)
    monkeypatch.setattr(leases, "_MARGIN_SECONDS", 0.5)
    monkeypatch.setattr(leases, "_RENEWAL_SECONDS", 0.2)
    async with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


async def test_a_call_that_blocks_the_event_loop_keeps_its_lease(ledger):
    async with Leases(ledger) as held:
        ledger.effects.claim(claim("a"))
        async with held.holding("k", attempt=1):
            time.sleep(4.0)  # noqa: ASYNC251 - as a tool would that should not
            await asyncio.sleep(0)
            beside = ledger.effects.claim(claim("b"))

    assert beside.standing is Standing.HELD


async def test_a_lease_that_another_one_took_over_breaks_the_call_off(ledger):
    async with Leases(ledger) as held:
        ledger.effects.claim(claim("a"))
        working = asyncio.create_task(_work(held))
        await asyncio.sleep(0)
        ledger.effects.claim(claim("b"), is_gone=lambda _: True)
        with pytest.raises(LedgerError, match="lease was lost"):
            await working

    assert ledger.effects.find("k").owner == "b"
    assert ledger.effects.find("k").state is EffectState.BEGUN
    assert ledger.effects.claim(claim("c")).standing is Standing.HELD


async def test_a_cancelled_call_gives_its_lease_back(ledger):
    async with Leases(ledger) as held:
        ledger.effects.claim(claim("a"))
        working = asyncio.create_task(_work(held))
        await asyncio.sleep(0)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

    assert ledger.effects.claim(claim("b")).standing is Standing.REMAKE


def test_a_worker_is_gone_when_its_lock_is_and_a_stranger_never_certainly(tmp_path):
    home = Home(tmp_path / ".outlive")
    with Holdings(home) as own:
        with Holdings(home) as other:
            was_gone = own.is_gone(other.owner)
        left = own.is_gone(other.owner)

    assert not was_gone
    assert left
    assert not Holdings(Home(tmp_path / "elsewhere")).is_gone(own.owner)


async def _work(held: Leases) -> None:
    async with held.holding("k", attempt=1):
        await asyncio.sleep(60)
