"""Runs of an agent with twelve tool calls each, over three workers, while one part after the other dies."""

import asyncio
from collections import defaultdict
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import select

from cluster.apps import app, load_of
from cluster.blows import assert_deaths, blows, report, strike_all
from cluster.children import kept
from cluster.conftest import Parts
from cluster.fleet import fleet
from engines import fresh
from outlive.client import Client
from outlive.ledger.schema import effects
from outlive.settings import Settings
from outside import Call, Mishap, Outside

RUNS = 20
ACTS = 12
LATENCY = 0.5  # seconds of a tool; the runs are to last longer than what dies under them


class SlowOutside(Outside):
    """A world in which acting takes a moment."""

    def _acted(self, run: str, number: int) -> Mishap:
        act = super()._acted(run, number)

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            await asyncio.sleep(LATENCY)
            return await act(request)

        return answer


@pytest.mark.timeout(1800)
async def test_runs_lose_nothing_and_repeat_nothing_recorded_whatever_dies_under_them(
    parts: Parts, settings: Settings, run_folder: Path
):
    names = [fresh("run") for _ in range(RUNS)]
    async with SlowOutside() as outside, Client(settings, app=app) as client:
        environment = {"OPENAI_BASE_URL": outside.base_url, "OPENAI_API_KEY": "sk-test"}
        async with (
            kept(parts.temporal.nodes.values()),
            fleet(settings, environment, folder=run_folder / "agents") as workers,
        ):
            struck = blows(parts, workers, await client.temporal(), lambda: len(outside.calls))
            prompt = f"Act {ACTS} times."
            handles = [await client.start_run("carrier", f"[run {name}] {prompt}", run_id=name) for name in names]

            def acts_done() -> int:
                return sum(call.kind == "tool" and call.ended is not None for call in outside.calls)

            await strike_all(struck, acts_done, RUNS * ACTS)
            results = await asyncio.gather(*(handle.result() for handle in handles))
        recorded = recorded_at(client)

    distinct = {(call.kind, call.run, call.place) for call in outside.calls}
    report(
        struck,
        [(call.begun, call.ended) for call in outside.calls if call.ended is not None],
        runs=RUNS,
        calls=len(outside.calls),
        repeated=len(outside.calls) - len(distinct),
    )
    assert [result.output for result in results] == [f"acted {ACTS} times; heard 1"] * RUNS
    assert len(distinct) == RUNS * (2 * ACTS + 1)
    assert [call for call in outside.calls if call.begun > recorded[call.key]] == []
    assert {len(keys) for keys in keys_of(outside.calls).values()} == {1}
    assert all(
        load_of(name, number) in str(result.messages)
        for name, result in zip(names, results, strict=True)
        for number in range(ACTS)
    )
    assert_deaths(workers)


def keys_of(calls: list[Call]) -> dict[tuple[str, str, int], set[str | None]]:
    """The keys under which each call was made: one, however often it was."""
    found: dict[tuple[str, str, int], set[str | None]] = defaultdict(set)
    for call in calls:
        found[call.kind, call.run, call.place].add(call.key)
    return found


def recorded_at(client: Client) -> dict[str, float]:
    """When the result of each call was recorded, as the ledger's database says."""
    with client.ledger.engine.begin() as connection:
        return dict(map(tuple, connection.execute(select(effects.c.effect_key, effects.c.ended_at)).all()))
