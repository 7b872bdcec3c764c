"""What the ledger keeps of runs, and what goes."""

import pytest
from sqlalchemy import update

from outlive.encryption.columns import SealedPayload
from outlive.ledger.effects import EffectClaim
from outlive.ledger.ledger import Ledger
from outlive.ledger.outbox_schema import deliveries
from outlive.ledger.retention import _TABLES, PAYLOAD_COLUMNS, ROWS_PER_READ, ROWS_PER_TRANSACTION, Kept
from outlive.ledger.schema import answers, effects, metadata


def record(ledger: Ledger, run: str, number: int, *, at: float, ended_at: float | None = None) -> str:
    key = f"{run}-{number:04}"
    ledger.effects.claim(EffectClaim(effect_key=key, workflow_id=run, activity_id="1", kind="tool", name="t"))
    ledger.effects.finish(key, key.encode(), {})
    with ledger.engine.begin() as connection:
        values = {"begun_at": at, "ended_at": at if ended_at is None else ended_at}
        connection.execute(update(effects).where(effects.c.effect_key == key).values(**values))
    return key


def answered(ledger: Ledger, run: str, turn: int, *, at: float) -> None:
    ledger.effects.keep_answer(run, turn, '"yes"')
    with ledger.engine.begin() as connection:
        connection.execute(
            update(answers).where(answers.c.workflow_id == run, answers.c.turn == turn).values(recorded_at=at)
        )


async def test_the_last_use_of_a_run_is_its_latest_row_of_any_kind(ledger):
    record(ledger, "a", 1, at=100.0)
    record(ledger, "a", 2, at=100.0, ended_at=250.0)
    record(ledger, "b", 1, at=100.0)
    answered(ledger, "b", 1, at=300.0)
    answered(ledger, "c", 1, at=50.0)
    ledger.effects.claim(EffectClaim(effect_key="d", workflow_id="d", activity_id="1", kind="tool", name="t"))

    last = ledger.retention.last_uses()

    assert {run: last[run] for run in "abc"} == {"a": 250.0, "b": 300.0, "c": 50.0}
    assert last["d"] > 1e9


async def test_only_old_rows_of_the_named_runs_go(ledger):
    record(ledger, "named", 1, at=100.0)
    record(ledger, "named", 2, at=300.0)
    record(ledger, "other", 1, at=100.0)
    answered(ledger, "named", 1, at=100.0)
    answered(ledger, "named", 2, at=300.0)

    expected = ledger.retention.count(["named"], 200.0)
    removed = ledger.retention.remove(["named"], 200.0)

    assert expected == removed == Kept(calls=1, answers=1)
    assert [entry.effect_key for entry in ledger.effects.of_workflow("named")] == ["named-0002"]
    assert len(ledger.effects.of_workflow("other")) == 1
    assert (ledger.effects.answer("named", 1), ledger.effects.answer("named", 2)) == (None, '"yes"')


async def test_more_runs_and_rows_than_one_transaction_takes_all_go(ledger):
    runs = [f"r{number}" for number in range(45)]
    with ledger.engine.begin() as connection:
        row = {"activity_id": "1", "kind": "tool", "name": "t", "state": "done", "attempts": 1, "failures": 0}
        rows = [
            {**row, "effect_key": f"{run}-{number}", "workflow_id": run, "begun_at": 1.0}
            for run in runs
            for number in range(60)
        ]
        connection.execute(effects.insert(), rows)

    assert len(rows) > 2 * ROWS_PER_TRANSACTION
    assert ledger.retention.remove(runs, 2.0).calls == len(rows)
    assert ledger.retention.last_uses() == {}


async def test_all_that_holds_payloads_is_read_once_and_calls_without_any_are_left_out(ledger):
    with ledger.engine.begin() as connection:
        row = {"activity_id": "1", "kind": "tool", "name": "t", "state": "done", "attempts": 1, "failures": 0}
        count = 2 * ROWS_PER_READ + 1
        payloads = [
            {"arguments": b"a%d" % n if n % 2 else None, "result": b"r%d" % n if n % 3 else None} for n in range(count)
        ]
        connection.execute(
            effects.insert(),
            [
                {**row, **held, "effect_key": f"{n:06}", "workflow_id": f"r{n % 7}", "begun_at": 1.0}
                for n, held in enumerate(payloads)
            ],
        )

    read, after = [], ()
    while page := ledger.retention.payloads(effects, after):
        after = page[-1][0]
        read += page

    assert [(run, held) for _, run, held in read] == [
        (f"r{n % 7}", [payload for payload in held.values() if payload is not None])
        for n, held in enumerate(payloads)
        if any(held.values())
    ]


@pytest.mark.parametrize("times", [1, 2])
async def test_a_namespace_is_noted_once_and_may_become_the_only_one(ledger, times):
    for _ in range(times):
        ledger.retention.note_namespace("id-1", "'default' at here")
    ledger.retention.note_namespace("id-2", "'default' at there")

    assert dict(ledger.retention.namespaces()) == {"id-1": "'default' at here", "id-2": "'default' at there"}
    ledger.retention.forget_other_namespaces("id-2")
    assert dict(ledger.retention.namespaces()) == {"id-2": "'default' at there"}


def test_every_table_that_knows_runs_is_kept_house_of():
    known = {table for table in metadata.tables.values() if "workflow_id" in table.c} - {deliveries}

    assert known == set(_TABLES)
    binary = {
        table: tuple(column.name for column in table.c if isinstance(column.type, SealedPayload)) for table in known
    }
    assert {table: columns for table, columns in binary.items() if columns} == PAYLOAD_COLUMNS
