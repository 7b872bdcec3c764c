"""The shop's order service: orders that can be looked up and tickets that can be opened, in SQLite, over HTTP.

``python orders.py --port 8902`` serves it. It stands for the systems of your own that an agent calls, and it counts
from the outside what was done to it: ``GET /effects``.
"""

import argparse
import json
import sqlite3
from pathlib import Path

from aiohttp import web

ORDERS = {
    "4711": {"customer": "ada", "item": "Standing desk", "status": "in transit", "paid": "289.00"},
    "4712": {"customer": "bo", "item": "Desk lamp", "status": "delivered", "paid": "49.00"},
}
TABLES = """
CREATE TABLE IF NOT EXISTS orders (number TEXT PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tickets (number INTEGER PRIMARY KEY, key TEXT UNIQUE, "order" TEXT, summary TEXT);
CREATE TABLE IF NOT EXISTS requests (key TEXT);
"""


class Orders:
    """The service. A ticket asked for again under the same ``Idempotency-Key`` is the ticket that is there."""

    def __init__(self, path: Path) -> None:
        """Open the shop's file, with its first orders in it where it is new."""
        self._file = sqlite3.connect(path, isolation_level=None)
        self._file.executescript(TABLES)
        rows = [(number, json.dumps(record)) for number, record in ORDERS.items()]
        self._file.executemany("INSERT OR IGNORE INTO orders VALUES (?, ?)", rows)

    async def look_up(self, request: web.Request) -> web.Response:
        """``GET /orders/{number}?customer=ada``: a customer sees no orders but their own."""
        return web.json_response(self._order_of(request.query["customer"], request.match_info["number"]))

    async def change(self, request: web.Request) -> web.Response:
        """``PATCH /orders/{number}``: what carriers and time do to an order."""
        number, changes = request.match_info["number"], await request.text()
        self._file.execute("UPDATE orders SET record = json_patch(record, ?) WHERE number = ?", (changes, number))
        return web.json_response({"changed": number})

    async def open_ticket(self, request: web.Request) -> web.Response:
        """``POST /tickets``: the effect. What was asked for is counted apart from what was done."""
        asked, key = await request.json(), request.headers["Idempotency-Key"]
        self._order_of(asked["customer"], asked["order"])
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

    def _order_of(self, customer: str, number: str) -> dict[str, str]:
        found = self._file.execute("SELECT record FROM orders WHERE number = ?", (number,)).fetchone()
        record: dict[str, str] = json.loads(found[0]) if found else {}
        if record.get("customer") != customer:
            raise web.HTTPNotFound(text=f"{customer} has no order {number}.")
        return {"number": number, **record}

    def application(self) -> web.Application:
        """Return the service for aiohttp."""
        application = web.Application()
        application.router.add_get("/orders/{number}", self.look_up)
        application.router.add_patch("/orders/{number}", self.change)
        application.router.add_post("/tickets", self.open_ticket)
        application.router.add_get("/effects", self.effects)
        return application


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8902)
    parser.add_argument("--file", type=Path, default=Path("orders.db"))
    arguments = parser.parse_args()
    web.run_app(Orders(arguments.file).application(), host="127.0.0.1", port=arguments.port)
