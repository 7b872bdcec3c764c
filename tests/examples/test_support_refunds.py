"""`examples/support` on a real PostgreSQL: refunds, who has to allow them, and people in the agent's place."""

import contextlib
import json
import sqlite3
from asyncio.subprocess import PIPE

import pytest
from sqlalchemy import create_engine, text

from command_line import ended
from engines import until
from examples.projects import Example

CHAT = ("chat", "support", "--id", "case-4711")
COMMAND = (*CHAT, "--app", "support:app", "--deps", '{"name": "ada"}')
CASE = "support/case-4711"
SMALL = "Order 4711 is a week late. Please refund 30 euros.\n"
LARGE = "I want a refund of all 289 euros for order 4711.\n"

pytestmark = pytest.mark.timeout(400)  # up to ten commands, each a process that imports for a second


class Shop:
    """The shop's database, seen from outside; an order can be held, as another transaction of the shop's would."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = create_engine(url)

    def refunds(self) -> list[int]:
        with self._engine.connect() as opened:
            return list(opened.execute(text("SELECT amount FROM refunds ORDER BY number")).scalars())

    def refunded(self) -> int:
        with self._engine.connect() as opened:
            return opened.execute(text("SELECT refunded FROM orders WHERE number = '4711'")).scalar_one()

    @contextlib.contextmanager
    def held_order(self):
        with self._engine.connect() as opened:
            opened.execute(text("SELECT 1 FROM orders WHERE number = '4711' FOR NO KEY UPDATE"))
            yield opened

    def is_waited_for(self) -> bool:
        """Whether a refund is written, in a transaction that waits for the order."""
        waits = "wait_event_type = 'Lock' AND query LIKE 'UPDATE orders%' AND datname = current_database()"
        with self._engine.connect() as opened:
            return opened.execute(text(f"SELECT count(*) FROM pg_stat_activity WHERE {waits}")).scalar_one() == 1

    def close(self) -> None:
        self._engine.dispose()


@pytest.fixture
def shop(postgres_url):
    opened = Shop(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    yield opened
    opened.close()


@pytest.fixture
async def support(tmp_path, shop):
    example = Example("support", tmp_path / "support")
    example.environment["SHOP_DATABASE"] = shop.url
    await example.python("shop.py")
    async with example.scripted_model():
        yield example
        await example.close()


async def test_a_worker_killed_inside_the_transaction_of_a_refund_has_refunded_nothing_and_the_next_one_does(
    support, shop
):
    talking = await begun(support, SMALL)
    with shop.held_order():
        await until(shop.is_waited_for, "the refund waits in its transaction")
        await support.kill_workers()
        refunded_by_the_dead = shop.refunds()
    status, out, err = await ended(talking)

    assert status == 0, err
    assert "30 euros of order 4711 are refunded." in out
    assert refunded_by_the_dead == []
    assert (shop.refunds(), shop.refunded()) == ([30], 30)
    assert await attempts(support) == [2]


async def test_a_worker_killed_after_the_commit_of_a_refund_and_before_its_record_has_refunded_it_once(support, shop):
    talking = await begun(support, SMALL)
    with shop.held_order() as order:
        await until(shop.is_waited_for, "the refund waits in its transaction")
        with held_ledger(support):
            order.rollback()
            await until(lambda: shop.refunds() == [30], "the refund is committed")
            await support.kill_workers()
    status, out, err = await ended(talking)

    assert status == 0, err
    assert "30 euros of order 4711 are refunded." in out
    assert (shop.refunds(), shop.refunded()) == ([30], 30)
    assert await attempts(support) == [2]


async def test_a_refund_above_the_limit_waits_through_kills_of_everything_and_is_allowed_with_another_amount(
    support, shop
):
    small = await support.outlive(*COMMAND, text=SMALL)
    talking = await begun(support, LARGE, stays=True)
    asked = await waiting(support)
    await support.kill_everything(talking)
    before = shop.refunds()
    edited = ("--args", '{"order": "4711", "amount": 259}', "--by", "bea")
    decided = await support.outlive("answer", asked["id"], "approve", *edited)
    status, out, err = await support.outlive(*CHAT, text="Thank you!\n/close\n")

    assert (small[0], decided[0], status) == (0, 0, 0), small[2] + decided[2] + err
    assert asked["reason"] == 'The agent asks to call refund({"order": "4711", "amount": 289}).'
    assert before == [30]
    assert "259 euros of order 4711 are refunded." in out + err
    assert (shop.refunds(), shop.refunded()) == ([30, 259], 289)


async def test_a_refund_that_a_person_denies_is_not_made_and_the_customer_hears_why(support, shop):
    talking = await begun(support, LARGE, stays=True)
    asked = await waiting(support)
    denied = ("deny", "--note", "It is not lost yet: the carrier looks for it.", "--by", "bea")
    decided = await support.outlive("answer", asked["id"], *denied)
    talking.stdin.close()
    status, out, err = await ended(talking)

    assert (decided[0], status) == (0, 0), decided[2] + err
    assert "It is not lost yet: the carrier looks for it." in out
    assert (shop.refunds(), shop.refunded()) == ([], 0)


async def test_more_than_is_left_of_an_order_is_refused_by_the_shop_and_nothing_of_it_stays(support, shop):
    talking = await begun(support, LARGE.replace("289", "290"), stays=True)
    asked = await waiting(support)
    decided = await support.outlive("answer", asked["id"], "approve", "--by", "bea")
    talking.stdin.close()
    status, out, err = await ended(talking)

    assert (decided[0], status) == (0, 0), decided[2] + err
    assert "Order 4711 has not 290 euros left to refund." in out
    assert (shop.refunds(), shop.refunded()) == ([], 0)


async def test_a_person_takes_the_conversation_over_through_a_kill_of_everything_and_hands_it_back(support, shop):
    asked = await support.outlive(*COMMAND, text="I want to talk to a person about order 4711.\n")
    up = await support.begin("up", "support:app", environment=support.environment)
    await until(lambda: support.engine_pid() is not None, "the engine of `outlive up`")
    taken = await support.outlive("desk", "take", CASE, "--by", "bea")
    said = await support.outlive("say", CASE, "Please refund 30 euros.")
    await support.kill_everything(up)
    spoken = await support.outlive("desk", "speak", CASE, "Bea here: of course.", "--by", "bea")
    refunded_by_the_agent = shop.refunds()
    returned = await support.outlive("desk", "return", CASE, "--by", "bea")
    status, out, err = await support.outlive(*CHAT, text="So please refund 30 euros of it.\n")

    results = (asked, taken, said, spoken, returned, (status, out, err))
    assert [result[0] for result in results] == [0] * 6, "\n".join(result[2] for result in results)
    assert "I am calling a colleague" in asked[1]
    assert "bea, in the agent's place:" in err
    assert "Bea here: of course." in err
    assert refunded_by_the_agent == []
    assert "30 euros of order 4711 are refunded." in out
    assert shop.refunds() == [30]


async def begun(support: Example, said: str, *, stays: bool = False):
    """Begin to talk; the input stays open, or ends after what was said."""
    talking = await support.begin(*COMMAND, stdin=PIPE, environment=support.environment)
    talking.stdin.write(said.encode())
    if not stays:
        talking.stdin.close()
    return talking


async def waiting(support: Example) -> dict:
    """Wait until one thing waits at the desk, and return it."""
    found: list[dict] = []

    async def is_there() -> bool:
        status, out, _ = await support.outlive("desk", "--json")
        found[:] = json.loads(out) if status == 0 else []
        return len(found) == 1

    await until(is_there, "a refund is at the desk")
    return found[0]


async def attempts(support: Example) -> list[int]:
    """How often each refund was taken up."""
    _, out, _ = await support.outlive("ledger", "list", "--json")
    return [entry["attempts"] for entry in json.loads(out) if entry["tool"] == "refund"]


@contextlib.contextmanager
def held_ledger(support: Example):
    """Let nobody write to the ledger."""
    with contextlib.closing(sqlite3.connect(support.home.path / "ledger.db", isolation_level=None)) as opened:
        opened.execute("PRAGMA busy_timeout = 30000")
        opened.execute("BEGIN IMMEDIATE")
        yield
        opened.execute("ROLLBACK")
