import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from browsers import browsing, chromium_or_skip
from console.projects import TOKENS, Shop

ROLES = {"LOOK": "look", "DECIDE": "decide", "API": "operate"}

expect.set_options(timeout=60_000)  # milliseconds: a busy machine takes its time


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as found:
        yield found


@contextmanager
def opened(path: Path, **settings: str) -> Iterator[Shop]:
    """The project for as long as the block runs, with nothing in it yet."""
    chromium_or_skip()
    made = Shop(path, **settings)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """The project."""
    with opened(tmp_path) as made:
        yield made


@pytest.fixture
def slow_shop(tmp_path: Path) -> Iterator[Shop]:
    """The project, whose documents take their time."""
    with opened(tmp_path, OUTLIVE_OFFLINE_LATENCY="0.5") as made:
        yield made


@pytest.fixture
def shop_with_tokens(tmp_path: Path) -> Iterator[Shop]:
    """The project, whose console wants to know who looks."""
    tokens = {f"OUTLIVE_{name}_TOKEN": TOKENS[role] for name, role in ROLES.items()}
    with opened(tmp_path, **tokens) as made:
        yield made


@pytest.fixture
def furnished(shop: Shop) -> Shop:
    """The project with something on every page."""
    source = shop.documents("texts", 40, broken=3)
    shop.run("batch", "start", "digest", source, "--id", "lamps", "--text-column", "text")
    shop.run("run", "clerk", "hello", "--id", "greeting")
    shop.run("run", "clerk", "hostile", "--id", "hostile")
    shop.run("run", "clerk", "pay 5", "--id", "bill", "--detach")
    shop.run("plan", "start", "move", "--input", json.dumps("lamps"), "--id", "one")
    shop.run("batch", "watch", "lamps")
    return shop
