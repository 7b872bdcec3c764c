"""The batches of a project as a table."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Column, Table

from outlive.cli.amounts import price
from outlive.cli.terminal import printable
from outlive.handles import BatchStatus
from outlive.ledger.records import BatchState

PLAIN_WIDTH = 10_000
"""Width where there is no terminal: nothing is cut, so that `grep` and `awk` find whole words."""


def print_batches(statuses: Sequence[BatchStatus], *, has_engine: bool) -> None:
    """Print one row for each batch, the oldest first."""
    table = Table(
        Column("batch", no_wrap=True, overflow="fold"),
        Column("state", no_wrap=True),
        Column("documents", justify="right"),
        Column("done", justify="right"),
        Column("failed", justify="right"),
        Column("cost", no_wrap=True),
        Column("model", overflow="fold"),
        Column("source", overflow="fold"),
        box=None,
        pad_edge=False,
    )
    for status in statuses:
        record, progress = status.record, status.progress
        numbers = (f"{count:,}" for count in (progress.total, progress.done, progress.failed_count))
        cost = price(progress.usd_nanos, progress.unpriced)
        state = "waits for an engine" if record.state is BatchState.RUNNING and not has_engine else record.state
        row = (record.batch_id, state, *numbers, cost, record.spec.model, record.spec.source)
        table.add_row(*map(printable, row))
    width = None if Console().is_terminal else PLAIN_WIDTH
    Console(markup=False, highlight=False, width=width).print(table)
