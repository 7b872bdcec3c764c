"""What a page of the console takes to read from a ledger of a million documents, on SQLite.

    .venv/bin/python bench/console_pages.py                      # 1,000,000 documents, each read 20 times
    .venv/bin/python bench/console_pages.py --documents 100000
    .venv/bin/python bench/console_pages.py --writer             # what series and index cost whoever records outcomes

The ledger is kept in bench/.cache/pages and used again. Of its documents one in a hundred failed, of five causes; the
last thousand are missing; texts lie elsewhere, results have 400 bytes.
"""

import argparse
import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterator

from sqlalchemy import insert, text

from measuring import CACHE, fresh_folder, table
from outlive.contracts.batches import BatchSpec
from outlive.contracts.outcomes import Cause, Outcome, Status
from outlive.ledger import window as hot_path
from outlive.ledger.browsing import DocumentFilter
from outlive.ledger.ledger import Ledger
from outlive.ledger.records import BatchRecord, NewDocument
from outlive.ledger.schema import batch_series, outcomes
from outlive.ledger.series import latency_bin, moment_of

BATCH, MISSING = "million", 1_000
CAUSES = (Cause.TIMEOUT, Cause.NOT_FOUND, Cause.HTTP_ERROR, Cause.EMPTY, Cause.INVALID_ANSWER)
ROWS = 20_000  # in one insert
PAIRS, RECORDED, TOGETHER = 5, 20_000, 200


def main() -> None:
    arguments = options()
    load = os.getloadavg()[0]
    asyncio.run(writer() if arguments.writer else pages(arguments.documents, arguments.times))
    print(f"\nload before: {load:.1f}, after: {os.getloadavg()[0]:.1f}")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--writer", action="store_true")
    return parser.parse_args()


async def pages(count: int, times: int) -> None:
    path = CACHE / "pages" / f"{count}.db"
    is_there = path.exists()
    async with Ledger(path) as ledger:
        if not is_there:
            began = time.perf_counter()
            fill(ledger, count)
            print(f"made in {time.perf_counter() - began:.0f} s, {path.stat().st_size / 1e6:,.0f} MB")
        record = ledger.batches.find(BATCH)
        assert record is not None
        rows = []
        for name, read in reads(ledger, record, random.Random(7)):
            taken = [await timed(read) for _ in range(times)]
            taken.sort()
            first = f"{taken[-1]:.1f}"
            rows.append([name, f"{taken[len(taken) // 2]:.1f}", f"{taken[int(len(taken) * 0.95)]:.1f}", first])
    print(table(["read", "p50 ms", "p95 ms", "slowest ms"], rows))


async def timed(read: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await read()
    return 1_000 * (time.perf_counter() - began)


Read = Callable[[], Awaitable[object]]


def reads(ledger: Ledger, record: BatchRecord, chance: random.Random) -> Iterator[tuple[str, Read]]:
    browsing, series, count = ledger.browsing, ledger.series, record.document_count

    def page(wanted: DocumentFilter, *, start: Callable[[], int] = lambda: chance.randrange(count)) -> Read:
        return lambda: ledger.call(browsing.page, record, wanted, start=start(), limit=50)

    def counted(wanted: DocumentFilter) -> Read:
        return lambda: ledger.call(browsing.count, record, wanted)

    yield "a page of 50 documents, anywhere", page(DocumentFilter())
    yield "of those that are done, anywhere", page(DocumentFilter(status="done"))
    yield "of those that failed, anywhere", page(DocumentFilter(status="failed"))
    yield "of those that failed of one cause, anywhere", page(DocumentFilter(cause="timeout"))
    yield (
        "of those that are missing, near their place",
        page(DocumentFilter(status="missing"), start=lambda: count - 5_000),
    )
    yield (
        "of those that are missing, from the beginning (cut off)",
        page(DocumentFilter(status="missing"), start=lambda: 0),
    )
    yield "a search that finds a page at once", page(DocumentFilter(text="document-12"), start=lambda: 120_000)
    yield "a search that finds nothing (cut off)", page(DocumentFilter(text="nowhere"))
    yield (
        "a search among those that failed (cut off)",
        page(DocumentFilter(status="failed", text="nowhere"), start=lambda: 0),
    )
    yield "count of those that are done", counted(DocumentFilter(status="done"))
    yield "count of those that failed", counted(DocumentFilter(status="failed"))
    yield "count of those that are missing", counted(DocumentFilter(status="missing"))
    yield "one document", lambda: ledger.call(browsing.document, record, chance.randrange(count))
    yield "failures by cause", lambda: ledger.call(browsing.failures, record)
    yield (
        "series of a month in 240 steps",
        lambda: ledger.call(series.read, record.number, record.created_at, points=240),
    )
    yield (
        "rate of the last two minutes",
        lambda: ledger.call(series.recent, record.number, record.created_at, seconds=120),
    )
    yield "sums over all outcomes, made anew", lambda: ledger.call(ledger.batches.progress, BATCH)
    yield "sums over all outcomes, as pages read them", lambda: ledger.progress(record)


def fill(ledger: Ledger, count: int) -> None:
    """Write a batch down as workers have: a month of it, in the order of its source."""
    ledger.batches.create(BatchSpec(batch_id=BATCH, function="f", model="openai:gpt-5-mini", recipe="r"))
    uris = (NewDocument(uri=f"https://example.org/archive/document-{number}.html") for number in range(count))
    ledger.batches.add_documents(BATCH, uris)
    record = ledger.batches.seal(BATCH)
    chance, began = random.Random(1), record.created_at - 30 * 86_400
    writing = ledger.engine.execution_options(outlive_writes=True)
    for start in range(0, count - MISSING, ROWS):
        rows = [row(record.number, at, began, count, chance) for at in range(start, min(start + ROWS, count - MISSING))]
        with writing.begin() as connection:
            connection.execute(insert(outcomes), rows)
    with writing.begin() as connection:
        connection.execute(insert(batch_series), list(moments(record.number, began, chance)))
        connection.execute(
            text("INSERT INTO begun SELECT batch, position, 1, 0, 0, 0, 0, 0, 0 FROM outcomes WHERE batch = :b"),
            {"b": record.number},
        )
        connection.execute(
            text("UPDATE batches SET created_at = :at WHERE number = :b"), {"at": began, "b": record.number}
        )


def row(number: int, position: int, began: float, count: int, chance: random.Random) -> dict[str, object]:
    has_failed = chance.random() < 0.01
    return {
        "batch": number,
        "position": position,
        "status": Status.FAILED if has_failed else Status.DONE,
        "cause": chance.choice(CAUSES) if has_failed else None,
        "reason": "The server did not answer in time." if has_failed else None,
        "result": None if has_failed else f'{{"summary": "{"word " * 75}"}}',
        "model": "openai:gpt-5-mini",
        "calls": 1,
        "input_tokens": 1_000,
        "output_tokens": 100,
        "usd_nanos": 450_000,
        "reused": 0,
        "seconds": chance.lognormvariate(0.5, 0.6),
        "recorded_at": began + 30 * 86_400 * position / count,
    }


def moments(number: int, began: float, chance: random.Random) -> Iterator[dict[str, object]]:
    """Yield the series of a month, ten bins of latency a moment."""
    for moment in sorted({moment_of(began + age, began) for age in range(0, 30 * 86_400, 2)}):
        for bin_ in range(latency_bin(1.0), latency_bin(1.0) + 10):
            sums = {"documents": chance.randrange(20), "failed": 0, "calls": 10, "input_tokens": 10_000}
            more = {"output_tokens": 1_000, "usd_nanos": 4_500_000, "unpriced": 0}
            yield {"batch": number, "moment": moment, "latency": bin_, **sums, **more}


async def writer() -> None:
    """Record outcomes with and without series and index, in turns: what they cost whoever records."""
    rows, ratios = [], []
    for pair in range(PAIRS):
        order = (False, True) if pair % 2 else (True, False)
        taken = {is_new: await recorded(is_new=is_new) for is_new in order}
        ratios.append(taken[True] / taken[False])
        rows.append([f"{pair + 1}", f"{taken[False]:.1f}", f"{taken[True]:.1f}", f"{ratios[-1]:.3f}"])
    print(table(["pair", "without, µs an outcome", "with series and index", "ratio"], rows))
    print(f"median ratio {sorted(ratios)[PAIRS // 2]:.3f}, {TOGETHER} outcomes in flight, {RECORDED:,} each")


async def recorded(*, is_new: bool) -> float:
    """Return the CPU time of one outcome in microseconds."""
    path = fresh_folder("pages-writer") / "ledger.db"
    kept = hot_path.add_to_series
    async with Ledger(path) as ledger:
        ledger.batches.create(BatchSpec(batch_id="b", function="f", model="m", recipe="r"))
        ledger.batches.add_documents("b", (NewDocument(uri=f"https://a/{number}") for number in range(RECORDED)))
        ledger.batches.seal("b")
        if not is_new:
            with ledger.engine.execution_options(outlive_writes=True).begin() as connection:
                connection.execute(text("DROP INDEX outcomes_by_status"))
            hot_path.add_to_series = lambda _connection, _parts: None
        try:
            window, room = await ledger.window("b"), asyncio.Semaphore(TOGETHER)
            began = time.process_time()
            await asyncio.gather(*(record_one(window, position, room) for position in range(RECORDED)))
            return 1e6 * (time.process_time() - began) / RECORDED
        finally:
            hot_path.add_to_series = kept


async def record_one(window: hot_path.WindowLedger, position: int, room: asyncio.Semaphore) -> None:
    async with room:
        await window.begin(position)
        status, cause = (Status.DONE, None) if position % 50 else (Status.FAILED, Cause.TIMEOUT)
        outcome = Outcome(
            position=position,
            status=status,
            cause=cause,
            result='"' + "x" * 400 + '"',
            calls=1,
            input_tokens=1_000,
            usd_nanos=450_000,
            seconds=1.0 + position % 7,
        )
        await window.record(outcome)


if __name__ == "__main__":
    main()
