"""Fills the old schema with customers, some of them with a date that nobody can read; ``--mend`` mends those.

Usage: ``python prepare.py [--rows 20000] [--mend]``, with MIGRATION_DATABASE set.
"""

import argparse
import os
from datetime import date, timedelta

from sqlalchemy import create_engine, text

GIVEN = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Radia")
FAMILY = ("Byron", "Murray", "Mathison", "Wybe", "Jane", "Ervin", "Joy")
FIRST = date(2015, 1, 1)
UNREADABLE = range(1_000, 1_101)  # ids whose date is written as 31.12.2015


def customer(number: int) -> dict:
    joined = FIRST + timedelta(days=number % 3_000)
    return {
        "id": number,
        "name": f"{GIVEN[number % 7]} {FAMILY[number // 7 % 7]}",
        "email": f"customer-{number}@shop.example",
        "joined": f"{joined:%d.%m.%Y}" if number in UNREADABLE else joined.isoformat(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--mend", action="store_true")
    given = parser.parse_args()
    with create_engine(os.environ["MIGRATION_DATABASE"]).begin() as opened:
        if given.mend:
            mended = opened.execute(
                text(
                    "UPDATE old.customers SET joined = to_char(to_date(joined, 'DD.MM.YYYY'), 'YYYY-MM-DD') "
                    "WHERE joined LIKE '__.__.____'"
                )
            )
            print(f"Mended {mended.rowcount} dates.")
            return
        opened.execute(text("DROP SCHEMA IF EXISTS old CASCADE"))
        opened.execute(text("DROP SCHEMA IF EXISTS new CASCADE"))
        opened.execute(text("CREATE SCHEMA old"))
        opened.execute(text("CREATE TABLE old.customers (id integer PRIMARY KEY, name text, email text, joined text)"))
        rows = [customer(number) for number in range(1, given.rows + 1)]
        opened.execute(text("INSERT INTO old.customers VALUES (:id, :name, :email, :joined)"), rows)
        print(f"{given.rows:,} customers are in the old schema.")


if __name__ == "__main__":
    main()
