"""The carrier's ticket service, over HTTP: a system of somebody else's that the agent acts on.

``python carrier.py --port 8902`` serves it. It counts from the outside what was done to it: ``GET /effects``.
"""

import argparse
import sqlite3
from pathlib import Path

from aiohttp import web

TABLES = """
CREATE TABLE IF NOT EXISTS tickets (number INTEGER PRIMARY KEY, key TEXT UNIQUE, "order" TEXT, summary TEXT);
CREATE TABLE IF NOT EXISTS requests (key TEXT);
"""


class Carrier:
    """The service. A ticket asked for again under the same ``Idempotency-Key`` is the ticket that is there."""

    def __init__(self, path: Path) -> None:
        """Open the carrier's file."""
        self._file = sqlite3.connect(path, isolation_level=None)
        self._file.executescript(TABLES)

    async def open_ticket(self, request: web.Request) -> web.Response:
        """``POST /tickets``: the effect. What was asked for is counted apart from what was done."""
        asked, key = await request.json(), request.headers["Idempotency-Key"]
        self._file.execute("INSERT INTO requests VALUES (?)", (key,))
        values = (key, asked["order"], asked["summary"])
        self._file.execute('INSERT OR IGNORE INTO tickets (key, "order", summary) VALUES (?, ?, ?)', values)
        (ticket,) = self._file.execute("SELECT number FROM tickets WHERE key = ?", (key,)).fetchone()
        return web.json_response({"ticket": ticket}, status=201)

    async def effects(self, _: web.Request) -> web.Response:
        """``GET /effects``: how many tickets there are, and how often one was asked for."""
        (tickets,) = self._file.execute("SELECT count(*) FROM tickets").fetchone()
        (requests,) = self._file.execute("SELECT count(*) FROM requests").fetchone()
        return web.json_response({"tickets": tickets, "requests": requests})

    def application(self) -> web.Application:
        """Return the service for aiohttp."""
        application = web.Application()
        application.router.add_post("/tickets", self.open_ticket)
        application.router.add_get("/effects", self.effects)
        return application


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8902)
    parser.add_argument("--file", type=Path, default=Path("carrier.db"))
    arguments = parser.parse_args()
    web.run_app(Carrier(arguments.file).application(), host="127.0.0.1", port=arguments.port)
