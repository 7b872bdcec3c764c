from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from browsers import PATIENCE, browsing, chromium_or_skip
from console.projects import HOSTILE, HOSTILE_DOCUMENTS, TOKENS, Shop, lamps

PROMPTS = {
    "greeting": "hello",
    "hostile": f"hostile {HOSTILE}",
    "huge": "huge",
    "half": "half",
    "trap": f"trap {HOSTILE}",
}
ENDING = ("greeting", "hostile", "huge")
ROLES = {"LOOK": "look", "DECIDE": "decide", "API": "operate"}

expect.set_options(timeout=PATIENCE)


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


@pytest.fixture(scope="module")
def shared_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One project for tests that only add to it, under names of their own."""
    with opened(tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture(scope="module")
def shop_with_tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The project, whose console wants to know who looks."""
    tokens = {f"OUTLIVE_{name}_TOKEN": TOKENS[role] for name, role in ROLES.items()}
    with opened(tmp_path_factory.mktemp("tokens"), **tokens) as made:
        yield made


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The project with something on every page, also what means ill; only to be looked at."""
    with opened(tmp_path_factory.mktemp("shop")) as made:
        made.begin_batch("lamps", lamps(40, broken=3))
        made.begin_batch("bad", HOSTILE_DOCUMENTS)
        for name, prompt in PROMPTS.items():
            made.begin(name, prompt)
        made.ask("/v1/runs/plan/move", {"id": "one", "input": "lamps"})
        for path in ("/v1/runs/plan/move/one/result", *(f"/v1/runs/agent/clerk/{name}/result" for name in ENDING)):
            made.ask(f"{path}?wait=60")
        for name in ("lamps", "bad"):
            made.ask(f"/v1/batches/{name}?wait=60")
        yield made
