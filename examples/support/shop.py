"""The shop's own database: its orders, and what was refunded.

``python shop.py`` makes the tables and the first orders where they are missing, and prints what is there.
``python shop.py 4711 delivered`` changes the state of an order, as time does.
"""

import os
import sys
from functools import cache

from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, String, Table, create_engine, select, update

URL = os.environ.get("SHOP_DATABASE", "sqlite:///shop.db")  # or postgresql+psycopg://shop:secret@db/shop

metadata = MetaData()
orders = Table(
    "orders",
    metadata,
    Column("number", String(20), primary_key=True),
    Column("customer", String(100), nullable=False),
    Column("item", String(100), nullable=False),
    Column("status", String(20), nullable=False),
    Column("paid", Integer, nullable=False),  # euros, like all amounts here
    Column("refunded", Integer, nullable=False, default=0),
)
refunds = Table(
    "refunds",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("order", ForeignKey(orders.c.number), nullable=False),
    Column("amount", Integer, nullable=False),
)
ORDERS = [
    {"number": "4711", "customer": "ada", "item": "Standing desk", "status": "in transit", "paid": 289},
    {"number": "4712", "customer": "bo", "item": "Desk lamp", "status": "delivered", "paid": 49},
]


@cache
def database() -> Engine:
    """Return the database; connections are opened where they are needed."""
    return create_engine(URL, pool_pre_ping=True)


def make_tables() -> None:
    """Make what is missing."""
    metadata.create_all(database())
    with database().begin() as opened:
        if opened.execute(select(orders)).first() is None:
            opened.execute(orders.insert(), ORDERS)


if __name__ == "__main__":
    make_tables()
    with database().begin() as opened:
        if sys.argv[1:]:
            number, status = sys.argv[1:]
            opened.execute(update(orders).where(orders.c.number == number).values(status=status))
        for table in (orders, refunds):
            for row in opened.execute(select(table)).mappings():
                print(table.name, dict(row))
