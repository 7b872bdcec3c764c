"""Group commit: many writers, one synced transaction; what was accepted is never dropped."""

import asyncio
import json
import sqlite3
import sys

import pytest
from sqlalchemy import event

from outlive.errors import LedgerError
from outlive.ledger.ledger import Ledger
from unit.ledger.conftest import done, failed, sealed

WRITE_FROM_ANOTHER_PROCESS = """
import asyncio, sys
from pathlib import Path
from outlive.contracts.outcomes import Outcome, Status
from outlive.ledger.ledger import Ledger

async def main(where, mark):
    async with Ledger(where if "://" in where else Path(where)) as ledger:
        window = await ledger.window("b")
        print("ready", flush=True)
        await asyncio.gather(*(
            window.record(Outcome(position=position, status=Status.DONE, result=mark)) for position in range(300)
        ))

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""

FILL_THE_DISK = """
import asyncio, json, resource, signal, sys
from pathlib import Path
from outlive.contracts.outcomes import Outcome, Status
from outlive.ledger.ledger import Ledger

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def main(path):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    async with Ledger(path) as ledger:
        window = await ledger.window("b")
        wal = path.with_name(path.name + "-wal")
        limit(wal.stat().st_size + 8_000)
        writes = [
            asyncio.create_task(window.record(Outcome(position=position, status=Status.DONE, result="x" * 5_000)))
            for position in range(20)
        ]
        while ledger.trouble is None:
            await asyncio.sleep(0.01)
        trouble, waiting = ledger.trouble, sum(not write.done() for write in writes)
        limit(resource.RLIM_INFINITY)
        await asyncio.gather(*writes)
        await ledger.untroubled()
        print(json.dumps({"trouble": trouble, "waiting": waiting, "trouble_after": ledger.trouble}))

asyncio.run(main(Path(sys.argv[1])))
"""


async def run(program, *arguments):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, *map(str, arguments), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def test_many_writers_share_few_transactions(ledger):
    sealed(ledger, 500)
    window = await ledger.window("b")
    commits = []
    event.listen(ledger.engine, "commit", commits.append)

    await asyncio.gather(*(window.record(done(position)) for position in range(500)))

    assert ledger.batches.progress("b").done == 500
    assert len(commits) < 100


async def test_the_first_outcome_of_a_document_stays(ledger):
    sealed(ledger, 1)
    window = await ledger.window("b")

    await asyncio.gather(window.record(done(0, result='"first"')), window.record(failed(0)))
    await window.record(done(0, result='"later"'))

    assert [row.result for row in ledger.batches.results("b")] == ['"first"']
    assert ledger.batches.progress("b").failed_count == 0


async def test_two_processes_on_one_ledger_give_each_document_one_outcome(ledger, where):
    sealed(ledger, 300)

    await asyncio.gather(
        run(WRITE_FROM_ANOTHER_PROCESS, where, '"one"'), run(WRITE_FROM_ANOTHER_PROCESS, where, '"two"')
    )

    rows = list(ledger.batches.results("b"))
    assert [row.status for row in rows] == ["done"] * 300
    assert {row.result for row in rows} <= {'"one"', '"two"'}


async def test_another_process_that_holds_the_file_is_waited_for(file_ledger, path):
    sealed(file_ledger, 1)
    window = await file_ledger.window("b")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    write = asyncio.ensure_future(window.record(done(0)))
    held, _ = await asyncio.wait([write], timeout=0.3)
    assert not held

    other.execute("COMMIT")
    other.close()
    await write

    assert file_ledger.batches.progress("b").done == 1


async def test_a_full_disk_is_waited_out_and_nothing_is_dropped(file_ledger, path):
    sealed(file_ledger, 20)

    seen = json.loads(await run(FILL_THE_DISK, path))

    assert seen["waiting"] == 20
    assert seen["trouble"]
    assert seen["trouble_after"] is None
    assert file_ledger.batches.progress("b").done == 20


async def test_closing_writes_what_is_queued(where):
    async with Ledger(where) as ledger:
        sealed(ledger, 50)
        window = await ledger.window("b")
        writes = [asyncio.ensure_future(window.record(done(position))) for position in range(50)]
        await asyncio.sleep(0)  # each has queued its row

    await asyncio.gather(*writes)
    async with Ledger(where) as ledger:
        assert ledger.batches.progress("b").done == 50


async def test_a_row_that_no_database_takes_fails_alone(ledger):
    sealed(ledger, 30)
    window = await ledger.window("b")
    outcomes = [done(position, result="\ud83d" if position == 7 else "x") for position in range(30)]

    ends = await asyncio.gather(*(window.record(outcome) for outcome in outcomes), return_exceptions=True)

    assert [place for place, end in enumerate(ends) if end is not None] == [7]
    assert isinstance(ends[7], LedgerError)
    assert ledger.batches.progress("b").done == 29
    await window.record(done(7))
    assert ledger.batches.progress("b").missing == 0


async def test_a_kept_call_is_there_until_its_document_has_an_outcome(ledger):
    sealed(ledger, 2)
    window = await ledger.window("b")
    await window.begin(0)
    window.record_call(0, "k1", '{"text": "a"}')
    window.record_call(0, "k1", '{"text": "later"}')
    window.record_call(0, "k2", '{"text": "b"}')
    await window.record(done(1))  # committed no earlier than the calls before it

    document = window.pending(0, 2)[0]
    assert document.calls == {"k1": '{"text": "a"}', "k2": '{"text": "b"}'}
    assert document.deaths == 1

    await window.record(done(0), has_kept=True)
    with ledger.engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM calls").scalar() == 0


async def test_pending_documents_are_those_of_the_window_that_have_no_outcome(ledger):
    sealed(ledger, ["http://a/0", "http://a/1", "http://a/0", "http://a/3", "http://a/4"])
    window = await ledger.window("b")
    await window.record(done(1))

    assert [document.position for document in window.pending(0, 4)] == [0, 3]


async def test_concurrency_is_read_as_it_is_now(ledger):
    sealed(ledger, 1, concurrency=8)
    window = await ledger.window("b")
    ledger.batches.set_concurrency("b", 3)

    assert window.concurrency() == 3


@pytest.mark.parametrize(("only_from", "found"), [(None, True), ("old", True), ("b", False)])
async def test_answers_are_found_in_earlier_batches_of_the_same_recipe(ledger, only_from, found):
    key = "ab" * 20
    sealed(ledger, 1, "old")
    await (await ledger.window("old")).record(done(0, result='"known"', content_key=key, model="m1"))
    sealed(ledger, 1, "other", recipe="another")
    sealed(ledger, 1)
    window = await ledger.window("b")

    assert window.has_earlier_answers("r", only_from) is found
    assert window.find_answers([key], only_from) == ({key: ('"known"', "m1")} if found else {})
