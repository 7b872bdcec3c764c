"""What the workers of these tests serve."""

import os
import signal
from typing import Any

from outlive.app import App
from outlive.documents.document import Document
from outlive.models.llm import Llm

app = App("crash")


@app.batch()
async def ask(document: Document, llm: Llm) -> str:
    """Say what the text says."""
    return str(await llm(document.text))


@app.batch()
async def ask_twice(document: Document, llm: Llm) -> list[str]:
    """Say what the text says."""
    first = await llm(document.text)
    second = await llm(document.text.replace("[document ", "[document second-"), instruction=f"Mend this: {first}")
    return [first, second]


@app.batch()
async def kill_on_poison(document: Document, llm: Llm) -> str:
    """Say what the text says."""
    if "poison" in document.text:
        os.kill(os.getpid(), signal.SIGSEGV)
    return str(await llm(document.text))


@app.batch()
async def stumble(document: Document, llm: Llm) -> Any:
    """Say what the text says."""
    answer = await llm(document.text)
    if "stone" in document.text:
        raise ZeroDivisionError("nothing goes into nothing")
    return answer
