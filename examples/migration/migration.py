"""Moves the customers of an old schema into a new one, in waves: rehearsed first, stopped by failures, taken back."""

import os
from datetime import date
from functools import cache

from pydantic import BaseModel
from sqlalchemy import Connection, Engine, create_engine, text

from outlive import App, FailedItem, Plan, UndoneEffect, Worked, connection, effect

app = App("migration")


class Request(BaseModel):
    """What is asked for: chunks of so many rows, so many at a time."""

    chunk: int = 200
    concurrency: int = 4


class Report(BaseModel):
    """What came of it."""

    copied: int
    failed: int


@cache
def database() -> Engine:
    return create_engine(os.environ["MIGRATION_DATABASE"])


def count_customers() -> int:
    with database().connect() as opened:
        return opened.execute(text("SELECT count(*) FROM old.customers")).scalar_one()


@app.effect(shadow=count_customers)
def count_rows() -> int:
    return count_customers()


@effect("transactional", database=database)
def drop_people(_: UndoneEffect) -> None:
    connection().execute(text("DROP TABLE new.people"))


@app.effect("transactional", database=database, undo=drop_people)
def create_people() -> None:
    connection().execute(text("CREATE SCHEMA IF NOT EXISTS new"))
    connection().execute(text("CREATE TABLE new.people (id integer, given text, family text, email text, joined date)"))


def convert(opened: Connection, rows: list[int]) -> tuple[list[dict], list[FailedItem]]:
    """Read old rows, and return new ones, and those that cannot be."""
    people, failed = [], []
    found = opened.execute(text("SELECT * FROM old.customers WHERE id = ANY(:ids)"), {"ids": [row + 1 for row in rows]})
    for row in found.mappings():
        given, _, family = row["name"].partition(" ")
        try:
            joined = date.fromisoformat(row["joined"])
        except ValueError as error:
            failed.append(FailedItem(item=row["id"] - 1, reason=f"customer {row['id']}: {error}"))
        else:
            people.append({"id": row["id"], "given": given, "family": family, "email": row["email"], "joined": joined})
    return people, failed


def rehearse_rows(rows: list[int]) -> Worked:
    """Say which rows would fail; changes nothing."""
    with database().connect() as opened:
        return Worked(failed=convert(opened, rows)[1])


@effect("transactional", database=database)
def remove_rows(undone: UndoneEffect) -> None:
    ids = [row + 1 for row in undone.args["rows"]]
    connection().execute(text("DELETE FROM new.people WHERE id = ANY(:ids)"), {"ids": ids})


@app.effect("transactional", database=database, undo=remove_rows, shadow=rehearse_rows)
def copy_rows(rows: list[int]) -> Worked:
    """Copy some customers, all in one transaction with the marker that it was done."""
    people, failed = convert(connection(), rows)
    if people:
        connection().execute(text("INSERT INTO new.people VALUES (:id, :given, :family, :email, :joined)"), people)
    return Worked(failed=failed)


@app.plan
async def migrate(plan: Plan, request: Request) -> Report:
    """Move the customers into the new schema."""
    total = await plan.effect(count_rows)
    await plan.log(f"{total:,} customers are to be moved")
    await plan.effect(create_people)
    result = await plan.waves(
        total,
        each=copy_rows,
        shares=(0.01, 0.1, 1.0),
        chunk=request.chunk,
        concurrency=request.concurrency,
        failure_bound=0.02,
    )
    return Report(copied=result.done, failed=len(result.failed))
