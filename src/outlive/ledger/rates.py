"""How fast all workers together may call a model: one row a measure, moved on by what each of them takes ahead.

The row holds the moment at which the next unit is free (the generic cell rate algorithm, GCRA). Who takes units moves
it on by their number over the rate, and uses them one after the other from where it stood. All moments are the
database's: on PostgreSQL its server's clock, whatever the workers' clocks say.
"""

import time

from sqlalchemy import Connection, Engine, extract, func, select, update

from outlive.ledger.dialects import insert_into, is_postgres
from outlive.ledger.outages import Again, repeatable
from outlive.ledger.schema import rates

CREDIT_SECONDS = 1.0
"""What was not used for so long may still be: the first calls after a pause, and workers that were late."""


class Rates:
    """Reads and writes of what workers have taken ahead, to be run through `Ledger.call`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(outlive_writes=True)

    def answers(self) -> bool:
        """Return True: the database can be read."""
        with self._engine.begin() as connection:
            return connection.execute(select(1)).scalar() == 1

    @repeatable(Again.ALWAYS)  # taken twice, some units are never used
    def take(self, key: str, units: float, per_second: float) -> float:
        """Take units, and return in how many seconds the first of them may be used; negative where it could have been.

        Args:
            key: What is limited, such as ``requests/openai:gpt-5``.
            per_second: The rate at which units come free.
        """
        with self._writing.begin() as connection:
            now = _now(connection)
            fresh = insert_into(connection, rates).values(key=key, free_at=now - CREDIT_SECONDS)
            connection.execute(fresh.on_conflict_do_nothing())
            row = select(rates.c.free_at).where(rates.c.key == key).with_for_update()
            begins: float = max(connection.execute(row).scalar_one(), now - CREDIT_SECONDS)
            moved = update(rates).where(rates.c.key == key).values(free_at=begins + units / per_second)
            connection.execute(moved)
        return begins - now

    def give_back(self, key: str, units: float, per_second: float) -> None:
        """Give back units that were taken and whose time has not come yet."""
        earlier = rates.c.free_at - units / per_second
        with self._writing.begin() as connection:
            connection.execute(update(rates).where(rates.c.key == key).values(free_at=earlier))

    @repeatable(Again.ALWAYS)
    def hold(self, key: str, seconds: float) -> None:
        """Let nobody take a unit that comes free within these seconds: the provider has asked for it."""
        with self._writing.begin() as connection:
            until = _now(connection) + seconds
            later = update(rates).where(rates.c.key == key, rates.c.free_at < until).values(free_at=until)
            connection.execute(later)


def _now(connection: Connection) -> float:
    if not is_postgres(connection):
        return time.time()
    return float(connection.execute(select(extract("epoch", func.clock_timestamp()))).scalar_one())
