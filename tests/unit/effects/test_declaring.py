"""What a declaration does around a function: whether it is called, checked, or committed with its marker."""

import inspect
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from outlive import App, EffectNotDone, Happened, connection, effect
from outlive.effects.current import CurrentCall, current_call
from outlive.effects.declaring import Policy, declared
from outlive.effects.transactions import markers
from outlive.errors import AppError, UsageError


def call(key: str = "k", *, is_again: bool = False) -> CurrentCall:
    return CurrentCall(key=key, attempt=1, tell=lambda *_: None, is_again=is_again)


@pytest.fixture
def within():
    yield current_call.set
    current_call.set(None)


async def nothing(_key, _args):
    return None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"policy": "twice"}, "'idempotent', 'transactional', 'checked', 'once'"),
        ({"policy": "checked"}, "needs `check=`"),
        ({"policy": "transactional"}, "needs `database=`"),
        ({"policy": "once", "check": nothing}, "goes with the policy 'checked'"),
        ({"policy": "once", "undo": "take it back"}, "UndoneEffect"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_with_its_reason(given, said):
    with pytest.raises(AppError, match=said):
        effect(**given)


def test_a_blocking_function_takes_no_check_that_has_to_be_awaited():
    with pytest.raises(AppError, match=r"'.*blocking' is declared with `def`"):

        @effect("checked", check=nothing)
        def blocking() -> None: ...


def test_a_declared_function_keeps_its_signature_and_tells_its_policy():
    @effect("once", approve=lambda amount: amount > 50)
    async def refund(order: str, amount: int) -> str:
        """Refund."""
        return f"{order} {amount}"

    found = declared(refund)

    assert found is not None
    assert found.policy is Policy.ONCE
    assert found.options == {"policy": "once", "approve": True}
    assert [found.wants_approval({"amount": 51}), found.wants_approval({"amount": 50})] == [True, False]
    assert str(inspect.signature(refund)) == "(order: str, amount: int) -> str"
    assert refund.__doc__ == "Refund."
    assert declared(nothing) is None


async def test_outside_of_a_durable_run_a_declared_function_is_just_called():
    @effect("checked", check=nothing)
    async def act(number: int) -> int:
        return number + 1

    assert await act(1) == 2


@pytest.mark.parametrize("is_again", [True, False])
@pytest.mark.parametrize("answer", [Happened("found"), None])
async def test_a_check_is_asked_before_a_repeat_only_and_its_result_counts(within, is_again, answer):
    asked = []

    async def check(key, args):
        asked.append((key, args))
        return answer

    @effect("checked", check=check)
    async def act(number: int, more: str = "m") -> str:
        return f"made {number}"

    within(call("k", is_again=is_again))
    result = await act(7)

    assert asked == ([("k", {"number": 7, "more": "m"})] if is_again else [])
    assert result == ("found" if is_again and answer else "made 7")


def test_a_blocking_function_is_checked_too(within):
    @effect("checked", check=lambda _key, args: Happened(args["number"] * 10))
    def act(number: int) -> int:
        return number

    within(call(is_again=True))

    assert act(7) == 70


class Database:
    def __init__(self, path):
        self.engine = create_engine(f"sqlite:///{path / 'users.db'}")
        with self.engine.begin() as opened:
            opened.execute(text("CREATE TABLE acts (number INTEGER)"))

    def count(self, table="acts") -> int:
        with self.engine.connect() as opened:
            return opened.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


@pytest.fixture
def database(tmp_path):
    found = Database(tmp_path)
    yield found
    found.engine.dispose()


def test_a_transaction_is_committed_once_with_its_marker_and_its_result_is_kept(within, database):
    @effect("transactional", database=lambda: database.engine)
    def act(number: int) -> dict[str, int]:
        connection().execute(text("INSERT INTO acts VALUES (:number)"), {"number": number})
        return {"acted": number}

    within(call("one"))
    first = act(1)
    again = act(1)
    within(call("two"))
    act(2)

    assert first == again == {"acted": 1}
    assert (database.count(), database.count(markers.name)) == (2, 2)


def test_workers_that_make_the_table_of_markers_at_once_all_have_it(within, tmp_path, where):
    url = f"sqlite:///{tmp_path / 'users.db'}" if isinstance(where, Path) else where.replace("://", "+psycopg://", 1)

    def begin(number: int) -> int:
        current_call.set(call(f"k{number}"))
        engine = create_engine(url)
        made = effect("transactional", database=engine)(lambda: number)()
        engine.dispose()
        return made

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(begin, range(8))) == list(range(8))


def test_what_raises_is_rolled_back_with_its_marker(within, database):
    left = [EffectNotDone("no"), None]

    @effect("transactional", database=database.engine)
    def act(number: int) -> str:
        connection().execute(text("INSERT INTO acts VALUES (:number)"), {"number": number})
        if (error := left.pop(0)) is not None:
            raise error
        return "acted"

    within(call())
    with pytest.raises(EffectNotDone):
        act(1)
    counts = (database.count(), database.count(markers.name))
    result = act(1)

    assert counts == (0, 0)
    assert result == "acted"
    assert database.count() == 1


def test_an_effect_within_an_effect_is_refused_before_both_wait_for_each_other(within, database):
    @effect("transactional", database=database.engine)
    def inner() -> None: ...

    @effect("transactional", database=database.engine)
    def outer() -> None:
        inner()

    within(call())
    with pytest.raises(UsageError, match=r"inner.* was called by another transactional effect"):
        outer()
    assert database.count(markers.name) == 0


def test_there_is_no_connection_elsewhere():
    with pytest.raises(UsageError, match="no connection here"):
        connection()


async def test_a_blocking_engine_is_refused_to_an_async_function(within, database):
    @effect("transactional", database=database.engine)
    async def act() -> None: ...

    within(call())
    with pytest.raises(AppError, match="AsyncEngine"):
        await act()


def test_an_app_of_declared_tools_can_be_declared():
    from pydantic_ai import Agent

    from outlive import Durable

    agent = Agent(name="declared", capabilities=[Durable()])

    @agent.tool_plain
    @effect("once")
    async def refund(order: str) -> str:
        return order

    assert App("x", agents=[agent]).registry.agents == {"declared": agent}
