"""A plan that copies rows of a database in waves, and what it did as the database counts it."""

import os
from functools import cache

from sqlalchemy import Engine, create_engine, text

from outlive import App, Plan, PlanFailed, UndoneEffect, connection, effect
from outlive.testing.faults import kill_this_process

app = App("crash-plans")


@cache
def database() -> Engine:
    """Return the user's own database."""
    return create_engine(os.environ["USER_DATABASE"], connect_args={"timeout": 30})


def strike(what: str) -> None:
    """Die, once, where the file says so."""
    path = os.environ["OBSTACLE"]
    try:
        with open(path) as file:  # noqa: PTH123
            wanted = file.read()
    except FileNotFoundError:
        return
    if wanted == what:
        os.unlink(path)  # noqa: PTH108
        kill_this_process()


@effect("transactional", database=database)
def remove(undone: UndoneEffect) -> None:
    """Take a copy back, and count that it was."""
    for row in undone.args["rows"]:
        connection().execute(
            text("DELETE FROM copies WHERE run = :run AND number = :row"), {"run": undone.args["run"], "row": row}
        )
        connection().execute(text("INSERT INTO removals VALUES (:run, :row)"), {"run": undone.args["run"], "row": row})
    strike(f"undo {undone.args['rows'][0]}")


def insert(run: str, rows: list[int]) -> int:
    """Copy rows, without looking whether they are there."""
    for row in rows:
        connection().execute(text("INSERT INTO copies VALUES (:run, :row)"), {"run": run, "row": row})
    strike(f"copy {rows[0]}")
    return len(rows)


@app.effect("transactional", database=database, undo=remove)
def copy_one(run: str, rows: list[int]) -> int:
    """Copy by itself."""
    return insert(run, rows)


@app.effect("transactional", database=database, undo=remove)
def copy_many(rows: list[int], run: str) -> int:
    """Copy in waves."""
    return insert(run, rows)


@app.plan(on_failure="undo")
async def migrate(plan: Plan, run: str) -> int:
    """Copy one row by itself, and 40 in waves; fail where the name of the run says so."""
    await plan.effect(copy_one, run=run, rows=[1000])
    result = await plan.waves(40, each=copy_many, arguments={"run": run}, shares=(0.1, 1), chunk=4, concurrency=2)
    if run.startswith("undone"):
        raise PlanFailed("as it was told")
    return result.done
