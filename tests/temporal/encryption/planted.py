"""A project whose prompts, documents, arguments, results, failures and answers hold words that are looked for later."""

import base64
import itertools
import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from obstore.store import S3Store
from sqlalchemy import MetaData, create_engine, select

from command_line import Folder
from engines import until
from outlive.ledger.postgres import parse_url

WORDS = {
    name: f"Planted{name.title()}Qzx"
    for name in (
        *("prompt", "instruction", "argument", "result", "failure", "edited", "note", "question", "answer", "task"),
        *("output", "streamed", "thrown", "document", "docfailure", "docinstruction", "filename"),
        *("planned", "logged", "effect", "returned", "planfailure", "handoff", "decision", "subject"),
    )
}

APP = '''
"""What it says and does holds planted words."""
from outlive import App, Budget, Document, Durable, Plan, PlanFailed, SubAgents, Webhook, effect, tool_options
from pydantic_ai import Agent
from pydantic_ai.exceptions import CallDeferred
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel

W = WORDS


def answer(messages, info):
    parts = [part for message in messages for part in message.parts]
    if W["thrown"] in str(parts[0].content):
        raise ValueError("no model: " + W["thrown"])
    done = sum(part.part_kind in ("tool-return", "retry-prompt") for part in parts)
    calls = [
        ("look", {"thing": W["argument"]}),
        ("broken", {"thing": W["argument"]}),
        ("pay", {"to": W["argument"], "amount": 1}),
        ("ask_user", {"question": W["question"]}),
        ("ask_streamer", {"task": W["task"]}),
    ]
    if done < len(calls):
        return ModelResponse(parts=[ToolCallPart(*calls[done])])
    return ModelResponse(parts=[TextPart(W["output"])])


async def stream(messages, info):
    for word in (W["streamed"], " and ", W["streamed"]):
        yield word


streamer = Agent(FunctionModel(stream_function=stream), name="streamer", description="Says.", capabilities=[Durable()])
clerk = Agent(
    FunctionModel(answer),
    name="clerk",
    instructions="Mind the " + W["instruction"],
    capabilities=[Durable(budget=Budget(calls=50)), SubAgents(agents=[streamer])],
)


@clerk.tool_plain
def look(thing: str) -> str:
    """Look."""
    return (W["result"] + " ") * 3_000


@clerk.tool_plain
@tool_options(attempts=1)
def broken(thing: str) -> str:
    """Fail."""
    raise ValueError("it is broken: " + W["failure"])


@clerk.tool_plain(requires_approval=True)
def pay(to: str, amount: int) -> str:
    """Pay."""
    return "paid " + to


@clerk.tool_plain
def ask_user(question: str) -> str:
    """Ask."""
    raise CallDeferred(kind="question", metadata={"schema": {"type": "string"}})


told = Webhook("https://receiver.invalid/events", secret=None)  # nobody is there: all that is to be told rests
app = App("planted", agents=[clerk], notify=told)


@app.batch(model="offline:extractive")
async def digest(document: Document, llm) -> str:
    """Tell what it says."""
    if "broken" in document.text:
        raise ValueError("it cannot be read: " + W["docfailure"])
    return (await llm(document.text)) + W["document"]


@app.effect("once")
async def change(what: str) -> str:
    """Change something."""
    return W["returned"]


@app.plan(name="planned")
async def planned(plan: Plan, what: str) -> str:
    """Change things."""
    await plan.log("Begun with " + W["logged"])
    await plan.effect(change, what=W["effect"])
    question = "Go on with " + W["handoff"] + "?"
    decision = await plan.hand_off(question, choices=["yes", "no"], about={"of": W["subject"]})
    if what.startswith("fail"):
        raise PlanFailed("It went wrong: " + W["planfailure"])
    return decision.note or what
'''.replace("WORDS", repr(WORDS))


async def live(folder: Folder) -> None:
    """Let the project do all that it can do, and decide what it asks."""
    documents = folder.path / "documents"
    documents.mkdir(exist_ok=True)
    for number in range(4):
        text = f"About {WORDS['document']} number {number}. " + ("It is broken." if number == 3 else "It is whole.")
        (documents / f"{WORDS['filename']}{number}.txt").write_text(text)
    await done(
        folder, "batch", "start", "digest", str(documents), "--id", "b", "--instruction", WORDS["docinstruction"]
    )
    await done(folder, "run", "clerk", f"Do {WORDS['prompt']}", "--id", "one", "--detach")
    await done(folder, "run", "clerk", f"Throw {WORDS['thrown']}", "--id", "two", "--detach")
    await done(
        folder, "plan", "start", "planned", "--input", json.dumps(WORDS["planned"]), "--id", "shadow", "--shadow"
    )
    await decide(
        folder, "pay", "approve", "--args", json.dumps({"to": WORDS["edited"], "amount": 2}), "--note", WORDS["note"]
    )
    await decide(folder, "ask_user", WORDS["answer"])
    for name, what in (("p", WORDS["planned"]), ("q", f"fail {WORDS['planned']}")):
        await done(folder, "plan", "start", "planned", "--input", json.dumps(what), "--id", name)
        await decide(folder, WORDS["handoff"], "yes", "--note", WORDS["decision"])
    await done(folder, "batch", "watch", "b")


async def decide(folder: Folder, about: str, *decision: str) -> None:
    """Decide the hand-off that tells of this, once it waits."""
    found: list[dict] = []

    async def is_there() -> bool:
        waiting = json.loads(await done(folder, "desk", "--json"))
        found[:] = [one for one in waiting if about in json.dumps(one)]
        return bool(found)

    await until(is_there, f"{about} on the desk")
    await done(folder, "answer", found[0]["id"], *decision)


async def done(folder: Folder, *arguments: str) -> str:
    """Run a command that has to succeed."""
    status, out, err = await folder.run(*arguments)
    assert status == 0, f"{arguments}: {out}{err}"
    return out


def found_in(folder: Path, *others: Iterator[tuple[str, bytes]]) -> dict[str, set[str]]:
    """Search every byte below a folder, and in other places; return where each word is."""
    found: dict[str, set[str]] = {}
    forms = {name: list(_forms(word)) for name, word in WORDS.items()}
    for place, content in itertools.chain(contents(folder), *others):
        for name, shapes in forms.items():
            if any(shape in content for shape in shapes):
                found.setdefault(name, set()).add(place)
    return found


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give every file below a folder, its name, and the cells of databases."""
    for path in sorted(folder.rglob("*")):
        yield f"name of {path.name}", str(path).encode()
        if not path.is_file() or path.is_symlink():
            continue
        yield path.name, path.read_bytes()
        if path.suffix == ".db":
            for cell in _cells(path):
                yield f"cells of {path.name}", cell


def _cells(path: Path) -> Iterator[bytes]:
    """Give what stands in the tables: long values lie in pages apart, and chunks are packed."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in db.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    yield from _readings(value)


def contents_of_database(url: str) -> Iterator[tuple[str, bytes]]:
    """Give the cells of a PostgreSQL database: it packs long values, so that its files do not show them."""
    engine = create_engine(parse_url(url))
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            for row in connection.execute(select(table)):
                for value in row:
                    for cell in _readings(value):
                        yield f"cells of {table.name}", cell
    engine.dispose()


def contents_of_bucket(bucket: S3Store) -> Iterator[tuple[str, bytes]]:
    """Give the objects of a bucket, and their names."""
    for page in bucket.list():
        for entry in page:
            yield "name of an object", entry["path"].encode()
            for cell in _readings(bytes(bucket.get(entry["path"]).bytes())):
                yield "an object", cell


def _readings(value: object) -> Iterator[bytes]:
    """Give a value's bytes, and what is packed in them."""
    cell = value.encode() if isinstance(value, str) else value
    if isinstance(cell, bytes):
        yield cell
        if cell[:1] == b"\x01":
            yield _unpacked(cell[1:])


def _unpacked(packed: bytes) -> bytes:
    try:
        return zlib.decompress(packed)
    except zlib.error:
        return b""


def _forms(word: str) -> Iterator[bytes]:
    """Give a word as it may stand in bytes: plain, hexadecimal, and in base64 at each of three places."""
    plain = word.encode()
    yield plain
    yield plain.hex().encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + plain)
        yield encoded[4 if shift else 0 : -4]
