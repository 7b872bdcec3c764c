"""An app whose agent pays only what a person allows, for commands in a folder."""

import json
from pathlib import Path

from command_line import Folder
from engines import until

APP = '''
"""An agent that pays what it is told, once a person has allowed it. What it pays is written to a file."""
import json
from pathlib import Path

from outlive import App, Durable
from pydantic_ai import Agent
from pydantic_ai.exceptions import CallDeferred
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel

FOLDER = Path(__file__).parent


def answer(messages, info):
    """Pay each sum that the last prompt names, one after the other; ask where it names none."""
    said = [part.content for message in messages for part in message.parts if part.part_kind == "user-prompt"]
    words = said[-1].split()
    parts = [part for message in messages for part in message.parts]
    begun = max(index for index, part in enumerate(parts) if part.part_kind == "user-prompt")
    returned = [part for part in parts[begun:] if part.part_kind == "tool-return"]
    if words[0] == "ask" and not returned:
        return ModelResponse(parts=[ToolCallPart("ask_user", {"question": said[-1]})])
    if words[0] == "pay" and len(returned) < len(words) - 1:
        return ModelResponse(parts=[ToolCallPart("pay", {"to": "ada", "amount": int(words[len(returned) + 1])})])
    return ModelResponse(parts=[TextPart(" ".join(str(part.content) for part in returned) or said[-1].upper())])


payer = Agent(FunctionModel(answer), name="payer", capabilities=[Durable()])


@payer.tool_plain(requires_approval=True)
def pay(to: str, amount: int) -> str:
    """Pay somebody."""
    with (FOLDER / "paid").open("a") as file:
        file.write(f"{amount} to {to}" + chr(10))
    return f"paid {amount}"


@payer.tool_plain
def ask_user(question: str) -> int:
    """Ask."""
    raise CallDeferred(kind="question", metadata={"schema": {"type": "integer"}})


app = App("people", agents=[payer])


@app.on_hand_off
async def tell(news):
    with (FOLDER / "told").open("a") as file:
        file.write(f"{news.occasion} {news.kind} {news.choice}" + chr(10))
'''


def people_in(path: Path) -> Folder:
    """Return a folder with that app."""
    return Folder(path, app=APP)


async def waiting(folder: Folder, *, count: int = 1) -> list[dict]:
    """Wait until so much waits at the desk, and return it."""
    found: list[dict] = []

    async def are_there() -> bool:
        status, out, _ = await folder.run("desk", "--json")
        found[:] = json.loads(out) if status == 0 else []
        return len(found) == count

    await until(are_there, f"{count} on the desk")
    return found
