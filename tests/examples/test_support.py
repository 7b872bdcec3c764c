"""`examples/support`, as its README says: a case over days, the carrier and the model standing outside."""

import asyncio
import contextlib
import importlib.util
import json
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from command_line import ended
from examples.projects import EXAMPLES, Example

CHAT = ("chat", "support", "--id", "case-4711")
COMMAND = (*CHAT, "--app", "support:app", "--deps", '{"name": "ada"}')
LATE = "Where is my order 4711? It should have come a week ago.\n"
OF_SOMEBODY_ELSE = "Where is order 4712?\n"


def carrier_module():
    spec = importlib.util.spec_from_file_location("support_carrier", EXAMPLES / "support" / "carrier.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Carrier:
    """The example's own ticket service in this process. It can keep the answer to a ticket that it has opened."""

    def __init__(self, path: Path) -> None:
        self._carrier = carrier_module().Carrier(path)
        self.address = ""
        self.opened = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    @contextlib.asynccontextmanager
    async def open(self):
        application = self._carrier.application()
        application.middlewares.append(self._pass)
        runner = web.AppRunner(application, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield
        finally:
            self.may_answer.set()
            await runner.cleanup()
            self._carrier._file.close()

    @web.middleware
    async def _pass(self, request, handler):
        answer = await handler(request)
        if request.path == "/tickets":
            self.opened.set()
            await self.may_answer.wait()
        return answer

    async def effects(self) -> dict[str, int]:
        async with aiohttp.ClientSession(self.address) as client, client.get("/effects") as answer:
            return await answer.json()


@pytest.fixture
async def carrier(tmp_path):
    opened = Carrier(tmp_path / "carrier.db")
    async with opened.open():
        yield opened


@pytest.fixture
async def support(tmp_path, carrier):
    example = Example("support", tmp_path / "support")
    example.environment["CARRIER_URL"] = carrier.address
    await example.python("shop.py")
    async with example.scripted_model():
        yield example
        await example.close()


async def test_a_case_goes_on_over_days_though_everything_stops_between_its_turns(support, carrier):
    monday = await support.outlive(*COMMAND, text=OF_SOMEBODY_ELSE + LATE)
    assert support.worker_pids() == []
    assert support.engine_pid() is None
    wednesday = await support.outlive(*CHAT, text="Any news of it?\n")
    await support.python("shop.py", "4711", "delivered")
    friday = await support.outlive(*CHAT, text="And today?\nPlease refund 30 euros.\nIt came, thank you!\n/close\n")
    in_the_shop = await support.python("shop.py")

    assert [status for status, _, _ in (monday, wednesday, friday)] == [0, 0, 0], friday[2]
    assert "ada has no order 4712" in monday[1]
    assert "Ticket 1 is open" in monday[1]
    assert "Ticket 1 is open" in wednesday[1]
    assert "is delivered" in friday[1]
    assert "30 euros of order 4711 are refunded." in friday[1]
    assert in_the_shop.count("refunds {") == 1
    assert json.loads(friday[1].splitlines()[-1]) == {"outcome": "solved", "message": "Glad it came.", "ticket": 1}
    assert await carrier.effects() == {"tickets": 1, "requests": 1}
    assert set(Counter(support.model_keys()).values()) == {1}


async def test_a_worker_killed_when_the_ticket_was_opened_opens_no_second_one(support, carrier):
    carrier.may_answer.clear()

    talking = await support.begin(*COMMAND, stdin=asyncio.subprocess.PIPE, environment=support.environment)
    talking.stdin.write(LATE.encode())
    talking.stdin.close()
    await asyncio.wait_for(carrier.opened.wait(), 60)
    await support.kill_workers()
    carrier.may_answer.set()
    status, out, err = await ended(talking)

    assert status == 0, err
    assert "Ticket 1 is open" in out
    assert await carrier.effects() == {"tickets": 1, "requests": 2}
    assert set(Counter(support.model_keys()).values()) == {1}
