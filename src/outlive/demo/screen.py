"""What the demonstration shows: a bar on a terminal, lines elsewhere."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from outlive.demo.verdict import Verdict

LINES = 10


class Screen:
    """Tells what happens, as it happens."""

    def __init__(self, console: Console, *, total: int) -> None:
        self.console = console
        self._total = total
        self._began = time.monotonic()
        self._lines_shown = 0
        self._bar = Progress(
            TextColumn("  documents"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        )
        self._row = self._bar.add_task("", total=total)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._bar.stop()

    def say(self, text: str, style: str = "") -> None:
        """Print one line with the seconds since the beginning."""
        line = Text.assemble((f"{time.monotonic() - self._began:6.1f} s  ", "dim"), (text, style))
        self.console.print(line, soft_wrap=True)

    def show(self, recorded: int) -> None:
        """Move the bar, or print a line for every tenth of the documents."""
        self._bar.update(self._row, completed=recorded)
        if not self.console.is_terminal and recorded * LINES // self._total > self._lines_shown:
            self._lines_shown = recorded * LINES // self._total
            self.say(f"{recorded:,} of {self._total:,} documents")


def show_verdict(console: Console, verdict: Verdict, *, holds: bool) -> None:
    """Print the sums and whether the promise held."""
    table = Table.grid(padding=(0, 3))
    table.add_column(justify="right")
    table.add_column()
    rows = (
        (verdict.done, f"of {verdict.total:,} documents done"),
        (verdict.failed, "failed"),
        (verdict.lost, "lost"),
        (verdict.done_twice, "done twice (read again after the outcome was in the ledger)"),
        (verdict.begun_again, "begun again, because they were in flight at a kill (the ledger)"),
        (verdict.read_again, "reads repeated for that reason (the document server)"),
        (verdict.kills, "processes killed with -9"),
    )
    for count, meaning in rows:
        table.add_row(f"{count:,}", meaning)
    title = "It finished, and did nothing twice" if holds else "THE PROMISE DID NOT HOLD"
    console.print(Panel(table, title=title, border_style="green" if holds else "red", expand=False))


def show_results(console: Console, results: Path, shown: Iterable[dict[str, Any]]) -> None:
    """Print some of the results."""
    console.print(f"\nResults: {results}\nThree of them:\n", soft_wrap=True)
    for row in shown:
        text = row["result"] if isinstance(row["result"], str) else json.dumps(row["result"], ensure_ascii=False)
        short = " ".join(text.split())
        console.print(Text(f"  {row['uri'].partition('/files/')[2]}", style="bold"))
        console.print(Text(f"    {short[:300]}{' …' if len(short) > 300 else ''}\n"), soft_wrap=True)


def show_next(console: Console) -> None:
    """Print what to type next."""
    console.print("What to type next:\n", style="bold")
    for command, meaning in (
        ("outlive analyze FOLDER 'Summarise in two sentences'", "the same on your own documents, with no code"),
        ("outlive analyze urls.txt 'Name its topics' --model openai:gpt-5-mini", "with a model, once its key is set"),
        ("outlive up", "engine, workers and the console, and they stay"),
        ("outlive doctor", "what is missing on this machine, if anything"),
    ):
        console.print(Text.assemble((f"  {command}\n", "cyan"), f"    {meaning}"), soft_wrap=True)
