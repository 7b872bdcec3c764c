"""What the workflow has done: a plain Temporal activity."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity

LETTERS = Path("letters")


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A letter that is to be written."""

    order: str
    name: str


@activity.defn
async def write_letter(letter: Letter) -> str:
    """Write a letter, and return where it is. Written again after a crash, it is the same letter."""
    path = LETTERS / f"{letter.order}-{letter.name}.txt"
    await asyncio.to_thread(_write, path, f"Please pay for order {letter.order}.\n")
    return str(path)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
