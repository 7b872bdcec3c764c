"""One round: first everything is read that decides what is still needed, and only then something is removed.

Each removal is a transaction of its own, and whatever is left of a round that was broken off is found by the next one.
"""

import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from outlive.encryption.keyring import keyring_of
from outlive.engine.collecting import Collected, mark, sweep
from outlive.engine.home import Home
from outlive.engine.retained import describe_place, read_namespace_id, retained_of
from outlive.errors import HousekeepingAborted
from outlive.housekeeping.space import FileSpace, file_spaces, give_back
from outlive.ledger.ledger import Ledger, ledger_of
from outlive.ledger.retention import PAYLOAD_COLUMNS, Kept
from outlive.settings import Settings
from outlive.streams.log import StreamLog
from outlive.streams.schema import streams_of


@dataclass(frozen=True, kw_only=True)
class RoundReport:
    """What a round removed; of a dry run, what it would have.

    Attributes:
        executions: Runs that the engine has, parts of runs that continued as new counted each.
        forgotten: Runs, by workflow id, of which the engine has nothing any more, and that are older than the
            retention.
        rows: Of these, in the ledger.
        streams: Of these, in the event log.
        payloads: What happened to the payload store.
        files: Sizes of the state folder's files afterwards.
        seconds: How long it took.
    """

    is_dry_run: bool
    executions: int
    forgotten: tuple[str, ...] = field(repr=False)
    rows: Kept
    streams: int
    payloads: Collected
    files: dict[str, FileSpace]
    seconds: float


async def keep_house(
    client: Client,
    settings: Settings,
    *,
    dry_run: bool = False,
    others_are_gone: bool = False,
    gently: bool = False,
    now: datetime | None = None,
) -> RoundReport:
    """Remove what no run needs any more. May run beside everything else; see `sole_round` for two of it.

    A run is forgotten once the engine has nothing of it, be it in a chain or after a reset, and its last row is
    older than the retention. Batches, and their results, stay.

    Args:
        client: Connected to the project's engine or cluster.
        others_are_gone: What other namespaces have left in this folder is not needed.
        gently: Leave the engine time for its work.
        now: Which moment ages are counted to; None is the present.

    Raises:
        HousekeepingAborted: If it cannot be told what is still needed. Nothing was removed.
        CollectionAborted: Likewise, of payloads.
        LedgerError: If ledger or event log cannot be read or written.
        PayloadError: If the payload store cannot be read or written.
    """
    began, now = time.monotonic(), now or datetime.now(UTC)
    home = Home(settings.home)
    before = (now - timedelta(days=settings.retention_days)).timestamp()
    keys = keyring_of(settings)
    async with Ledger(ledger_of(settings), keys=keys) as ledger, StreamLog(streams_of(settings), keys=keys) as log:
        try:
            await _check_namespace(client, ledger, others_are_gone=others_are_gone)
            forgotten = await _forgettable(client, ledger, log, before)
        except RPCError as error:
            raise HousekeepingAborted(
                f"The engine could not be asked which runs it has: {error.message}. Nothing was removed."
            ) from error
        marked = await mark(client, settings, roots=_recorded(ledger, but_of=set(forgotten)), gently=gently)
        if dry_run:
            rows = await ledger.call(ledger.retention.count, forgotten, before)
            streams = len((await log.last_events()).keys() & set(forgotten))
        else:
            await _settle_namespace(client, ledger)
            rows = await ledger.call(ledger.retention.remove, forgotten, before)
            streams = await log.prune(forgotten, before)
            await ledger.call(ledger.deliveries.remove, before)
        payloads = await sweep(settings, marked, now=now, dry_run=dry_run)
    if not dry_run:
        await give_back((home.ledger_db, home.payloads_db, home.streams_db))
    return RoundReport(
        is_dry_run=dry_run,
        executions=marked.executions,
        forgotten=tuple(forgotten),
        rows=rows,
        streams=streams,
        payloads=payloads,
        files=file_spaces(home),
        seconds=time.monotonic() - began,
    )


async def _check_namespace(client: Client, ledger: Ledger, *, others_are_gone: bool) -> None:
    """Make sure that nobody but the client's namespace has runs that this folder keeps something for.

    Raises:
        HousekeepingAborted: If another one has.
    """
    here = await read_namespace_id(client)
    noted = await ledger.call(ledger.retention.namespaces)
    others = [place for namespace_id, place in noted.items() if namespace_id != here]
    if others and not others_are_gone:
        raise HousekeepingAborted(
            f"This state folder also holds what runs of another engine or namespace need: {', '.join(others)}. "
            "Nothing was removed, since only that one can tell which. Work with each in a folder of its own, by "
            "OUTLIVE_HOME; or, if those runs are gone for good, run `outlive clean --others-are-gone` once."
        )


async def _settle_namespace(client: Client, ledger: Ledger) -> None:
    """Remember the client's namespace, and no other: it was made sure that no other is needed."""
    here = await read_namespace_id(client)
    await ledger.call(ledger.retention.note_namespace, here, describe_place(client))
    await ledger.call(ledger.retention.forget_other_namespaces, here)


async def _forgettable(client: Client, ledger: Ledger, log: StreamLog, before: float) -> list[str]:
    """Return the runs whose last row or event is older than a time, and of which the engine has nothing."""
    last: dict[str, float] = {}
    for uses in (await ledger.call(ledger.retention.last_uses), await log.last_events()):
        for run, at in uses.items():
            last[run] = max(at, last.get(run, at))
    quiet = {run for run, at in last.items() if at < before}
    return sorted(quiet - await retained_of(client, last))


async def _recorded(ledger: Ledger, *, but_of: Collection[str]) -> AsyncIterator[bytes]:
    """Yield the payloads in the ledger: a result that the engine has not heard of is asked for again."""
    for table in PAYLOAD_COLUMNS:
        last: tuple[str, ...] = ()
        while page := await ledger.call(ledger.retention.payloads, table, last):
            last = page[-1][0]
            for payload in (held for _, run, payloads in page if run not in but_of for held in payloads):
                yield payload
