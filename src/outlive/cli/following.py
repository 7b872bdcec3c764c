"""Following a batch: a progress bar on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from outlive.cli.amounts import duration, price
from outlive.cli.terminal import shown
from outlive.handles import BatchHandle, BatchStatus, trouble
from outlive.ledger.records import BatchState

RATE_WINDOW_SECONDS = 20.0
LINE_SECONDS = 5.0
TROUBLE_SECONDS = 3.0  # what mends itself sooner, such as a worker that is still starting, is not worth a line


Clock = Callable[[], float]


class Rate:
    """Documents a second, over the last seconds."""

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def see(self, recorded: int) -> float:
        """Add a reading; return the rate, 0 where it is not known yet."""
        now = self._clock()
        self._seen.append((now, recorded))
        while now - self._seen[0][0] > RATE_WINDOW_SECONDS:
            self._seen.popleft()
        before, passed = self._seen[0][1], now - self._seen[0][0]
        return (recorded - before) / passed if passed > 0 else 0.0


class LastingTrouble:
    """What keeps a batch from moving, once it has lasted."""

    def __init__(self, patience: float = TROUBLE_SECONDS, *, clock: Clock = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._note: str | None = None
        self._since = 0.0

    def see(self, status: BatchStatus) -> str | None:
        """Return the trouble of a status, or None where there is none or it is too young to be worth a word."""
        note, now = trouble(status), self._clock()
        if note != self._note:
            self._note, self._since = note, now
        return note if note and (status.has_ended or now - self._since >= self._patience) else None


async def follow(handle: BatchHandle, *, patience: float = TROUBLE_SECONDS, until_halted: bool = False) -> BatchStatus:
    """Show a batch until it has ended; return its last status. Stopping to look leaves it running.

    Args:
        handle: The batch.
        patience: Seconds that trouble has to last before it is shown.
        until_halted: Whether to return also when the batch has paused itself.
    """
    rate, lasting = Rate(), LastingTrouble(patience)
    with _display() as show:
        async for status in handle.watch():
            progress = status.progress
            show(status, rate.see(progress.done + progress.failed_count), lasting.see(status))
            was_ended = status.health is not None and status.health.was_ended
            if status.has_ended or was_ended or (until_halted and is_halted(status)):
                return status
    raise AssertionError  # watching ends only with a status that has ended


def is_halted(status: BatchStatus) -> bool:
    """Return whether the batch has paused itself, for a reason."""
    return status.record.state is BatchState.PAUSED and bool(status.record.state_reason)


Show = Callable[[BatchStatus, float, str | None], None]
"""Shows a status, the documents a second, and what keeps it from moving."""


@contextlib.contextmanager
def _display() -> Iterator[Show]:
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield PlainLines(console)
        return
    bar = Progress(
        TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), console=console, expand=False
    )
    row = bar.add_task("")
    with Live(console=console, refresh_per_second=4) as live:

        def show(status: BatchStatus, per_second: float, note: str | None) -> None:
            progress = status.progress
            recorded = progress.done + progress.failed_count
            bar.update(row, description=status.record.batch_id, total=progress.total, completed=recorded)
            grid = Table.grid()
            grid.add_row(bar)
            grid.add_row(Text(facts(status, per_second)))
            if note:
                grid.add_row(Text(shown(note), style="yellow"))
            live.update(grid)

        yield show


class PlainLines:
    """One line every few seconds, and one at once when something changes that a person should hear of."""

    def __init__(self, console: Console, *, clock: Clock = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._shown_at = float("-inf")
        self._told: str | None = None

    def __call__(self, status: BatchStatus, per_second: float, note: str | None) -> None:
        """Show a status, if it is time."""
        if note and note != self._told:
            self._print(note)
        self._told = note
        if status.has_ended or self._clock() - self._shown_at >= LINE_SECONDS:
            self._shown_at = self._clock()
            progress = status.progress
            recorded = progress.done + progress.failed_count
            self._print(f"{status.record.batch_id}: {recorded:,}/{progress.total:,}  {facts(status, per_second)}")

    def _print(self, line: str) -> None:
        self._console.print(shown(line), markup=False, highlight=False, soft_wrap=True)


def facts(status: BatchStatus, per_second: float | None = None) -> str:
    """Return what there is to say about a batch's progress, in one line; without a rate where none was measured."""
    progress = status.progress
    parts = [f"done {progress.done:,}"]
    if progress.reused:
        parts.append(f"of them from earlier batches, at no cost, {progress.reused:,}")
    if progress.failed_count:
        causes = ", ".join(f"{cause} {count:,}" for cause, count in sorted(progress.failed.items()))
        parts.append(f"failed {progress.failed_count:,} ({causes})")
    if per_second is not None and not status.has_ended:
        parts.append(f"{per_second:,.1f}/s")
    parts.append(f"{progress.input_tokens + progress.output_tokens:,} tokens")
    parts.append(price(progress.usd_nanos, progress.unpriced))
    if progress.begun_again:
        parts.append(f"begun again {progress.begun_again:,}")
    if progress.missing and per_second and not status.has_ended:
        parts.append(f"about {duration(progress.missing / per_second)} left")
    return "  ·  ".join(parts)
