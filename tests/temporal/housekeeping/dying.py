"""A round in a process of its own, which kills itself right after it has removed the first rows of a table.

python dying.py TABLE
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, event

from outlive.engine.connection import connect
from outlive.housekeeping.rounds import keep_house
from outlive.payloads import sqlite
from outlive.settings import Settings
from outlive.testing.faults import kill_this_process


def executed(connection, _cursor, statement, *_rest) -> None:
    if statement.startswith(f"DELETE FROM {sys.argv[1]} "):
        connection.info["removes"] = True


def returned(_driver_connection, record) -> None:
    if record.info.pop("removes", False):
        kill_this_process()


async def main() -> None:
    settings = Settings.load()
    await keep_house(await connect(settings), settings, now=datetime.now(UTC) + timedelta(days=100))


sqlite.SWEPT_AT_ONCE = 20
event.listen(Engine, "after_cursor_execute", executed)
event.listen(Engine, "checkin", returned)
asyncio.run(main())
