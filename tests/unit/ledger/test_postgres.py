"""The ledger on PostgreSQL: its address, several processes at once, and a server that goes away and comes back."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, text

from conftest import postgres_or_skip
from engines import until
from outlive.contracts.outcomes import Outcome, Status
from outlive.engine.ports import free_port
from outlive.errors import LedgerError, SettingError
from outlive.ledger.effects import EffectClaim, EffectState
from outlive.ledger.ledger import Ledger
from outlive.ledger.outages import Again, outages_waited_out, repeatable
from outlive.ledger.records import NewDocument
from outlive.settings import Settings
from unit.ledger.conftest import done, failed, sealed, spec

CLAIM = EffectClaim(effect_key="k", workflow_id="w", activity_id="1", kind="tool", name="t")
SECRET = "p@ss/w#rd-that-nobody-sees"
QUOTED = "p%40ss%2Fw%23rd-that-nobody-sees"


@pytest.fixture
async def ledger(postgres_url):
    async with Ledger(postgres_url) as opened:
        yield opened


@pytest.fixture
def server():
    """A server of this test alone, to be stopped."""
    server = postgres_or_skip()
    yield server
    server.remove()


def said_of(where: str) -> str:
    with pytest.raises(LedgerError) as caught:
        Ledger(where)
    return str(caught.value)


async def refused(where: str) -> str:
    with pytest.raises(LedgerError) as caught:
        await Ledger(where).__aenter__()
    return str(caught.value)


async def test_a_password_is_in_no_message(shared_postgres):
    port = shared_postgres.port
    wrong = f"postgresql://outlive:{QUOTED}@127.0.0.1:{port}/postgres"
    absent = f"postgresql://outlive:{QUOTED}@127.0.0.1:{free_port()}/postgres?password={QUOTED}"

    said = [
        await refused(wrong),
        await refused(absent),
        said_of(f"postgresql://o:{SECRET}@127.0.0.1/x"),
        said_of("postgresql://o:p@nobody-sees@h/x"),
    ]
    said += [repr(Settings(ledger=wrong)), Ledger(absent).name, repr(Ledger(wrong))]
    with pytest.raises(SettingError) as caught:
        Settings.load({"OUTLIVE_LEDGER": f"mysql://o:{QUOTED}@h/x"})

    assert "password authentication failed" in said[0]
    assert f"'postgresql://outlive:***@127.0.0.1:{port}/postgres'" in said[0]
    assert "refused" in said[1]
    assert "Write special characters of user and password as %XX" in said[2]
    for sentence in [*said, str(caught.value)]:
        assert "nobody-sees" not in sentence


async def test_a_missing_driver_is_named_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)

    said = await refused("postgresql://outlive@127.0.0.1/postgres")

    assert "pip install 'outlive[postgres]'" in said


async def test_commits_are_synced_whatever_the_server_is_set_to(shared_postgres, postgres_url):
    name = postgres_url.rpartition("/")[2]
    shared_postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")

    async with Ledger(postgres_url) as ledger:
        with ledger.engine.begin() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"


async def test_a_text_with_a_nul_is_kept_with_the_sign_for_what_cannot_be_written(ledger):
    ledger.batches.create(spec())
    ledger.batches.add_documents("b", [NewDocument(uri="u", text="a\0b")])
    ledger.batches.seal("b")
    window = await ledger.window("b")

    assert window.pending(0, 1)[0].text == "a\ufffdb"


async def test_writers_at_once_lose_no_attempt(ledger, postgres_url):
    async with Ledger(postgres_url) as other:
        claims = [one.call(one.effects.claim, CLAIM) for _ in range(20) for one in (ledger, other)]
        records = await asyncio.gather(*claims)
        ends = [one.call(one.effects.finish, "k", name, {}) for one, name in ((ledger, b"1"), (other, b"2"))]
        results = await asyncio.gather(*ends)

    assert max(claimed.record.attempts for claimed in records) == 40
    assert len(set(results)) == 1


async def test_failures_taken_back_by_two_at_once_are_counted_once(ledger, postgres_url):
    sealed(ledger, 200)
    window = await ledger.window("b")
    await asyncio.gather(*(window.record(failed(position, calls=1)) for position in range(200)))
    async with Ledger(postgres_url) as other:
        counts = await asyncio.gather(*(one.call(one.batches.take_back_failed, "b") for one in (ledger, other)))

    assert sorted(counts) == [0, 200]
    assert ledger.batches.progress("b").calls == 200


async def test_a_stopped_server_is_waited_out_and_nothing_accepted_is_dropped(server):
    url = server.new_database()
    async with Ledger(url) as ledger:
        sealed(ledger, 50)
        window = await ledger.window("b")
        await window.record(done(0))
        server.stop()
        writes = [asyncio.ensure_future(window.record(done(position))) for position in range(1, 50)]
        await until(lambda: ledger.trouble is not None, "trouble")
        why, waiting = ledger.trouble, sum(not write.done() for write in writes)
        await asyncio.to_thread(server.start)
        await asyncio.gather(*writes)
        await ledger.untroubled()

        assert waiting == 49
        assert why
        assert ledger.trouble is None
        assert ledger.batches.progress("b").done == 50


async def test_calls_wait_for_a_server_that_comes_back(server):
    async with Ledger(server.new_database()) as ledger:
        await ledger.call(ledger.effects.claim, CLAIM)
        server.stop()
        with outages_waited_out():
            calls = [
                asyncio.ensure_future(ledger.call(ledger.effects.finish, "k", b"r", {})),
                asyncio.ensure_future(ledger.call(ledger.effects.of_workflow, "w")),
            ]
        held, _ = await asyncio.wait(calls, timeout=0.5)
        assert not held
        await asyncio.to_thread(server.start)
        finished, _ = await asyncio.gather(*calls)
        record = (await ledger.call(ledger.effects.of_workflow, "w"))[0]

    assert finished == b"r"
    assert record.state is EffectState.DONE


async def test_what_may_not_be_run_again_says_at_once_that_the_server_is_gone(server):
    async with Ledger(server.new_database()) as ledger:
        sealed(ledger, 3)
        server.stop()

        with pytest.raises(LedgerError, match=r"The ledger 'postgresql://.*' refused: "):
            await ledger.call(ledger.batches.add_documents, "b", iter([NewDocument(uri="u")]))


async def test_an_operation_whose_commit_was_cut_off_is_run_again_only_where_that_changes_nothing(
    ledger, shared_postgres
):
    await ledger.call(ledger.effects.claim, CLAIM)
    cut = []

    def cut_off(connection):
        if connection.get_execution_options().get("outlive_writes") and not cut:
            pid = connection.connection.dbapi_connection.info.backend_pid
            cut.append(pid)
            shared_postgres.execute(f"SELECT pg_terminate_backend({pid}, 5000)")

    event.listen(ledger.engine, "commit", cut_off)
    await ledger.call(ledger.effects.keep_answer, "w", 1, "42")
    cut.clear()

    assert await ledger.call(ledger.effects.answer, "w", 1) == "42"
    with pytest.raises(LedgerError, match="refused"):
        await ledger.call(ledger.effects.claim, CLAIM)


async def test_an_operation_that_was_cut_off_before_its_commit_is_run_again(ledger, shared_postgres):
    begun = []

    @repeatable(Again.UNCOMMITTED)
    def count():
        with ledger.engine.execution_options(outlive_writes=True).begin() as connection:
            begun.append(connection.connection.dbapi_connection.info.backend_pid)
            if len(begun) == 1:
                shared_postgres.execute(f"SELECT pg_terminate_backend({begun[0]}, 5000)")
            connection.execute(text("SELECT 1"))
            return len(begun)

    assert await ledger.call(count) == 2


async def test_windows_of_many_processes_give_each_document_one_outcome_and_no_deadlock(ledger, postgres_url):
    sealed(ledger, 400)

    def write(mark: str) -> None:
        async def all_of_them() -> None:
            async with Ledger(postgres_url) as other:
                window = await other.window("b")
                order = range(400) if mark < "c" else range(399, -1, -1)
                await asyncio.gather(
                    *(window.record(Outcome(position=at, status=Status.DONE, result=mark)) for at in order)
                )

        asyncio.run(all_of_them())

    with ThreadPoolExecutor(4) as threads:
        await asyncio.gather(*(asyncio.get_running_loop().run_in_executor(threads, write, mark) for mark in "abcd"))

    assert ledger.batches.progress("b").done == 400
