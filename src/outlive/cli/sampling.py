"""A few documents first, to quote the whole."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import fmean, stdev

import click

from outlive.batch_requests import BatchRequest
from outlive.cli.amounts import dollars, duration
from outlive.cli.following import follow
from outlive.client import Client
from outlive.documents.entries import Entry
from outlive.documents.sources import Source
from outlive.errors import BatchError
from outlive.ledger.records import BatchState, DocumentResult

NORMAL_95 = 1.96
SEED = 20


async def quote_sample(client: Client, request: BatchRequest, size: int) -> BatchRequest:
    """Do a random few of the documents as a batch of their own, and quote the whole from them.

    Returns:
        The request for the whole, which takes the answers of the sample over at no cost.
    """
    chosen, total = _choose(request.source, size)
    sample = await client.start_batch(
        replace(
            request,
            batch_id=None if request.batch_id is None else f"{request.batch_id}-sample",
            source=Source(f"{len(chosen):,} documents of {request.source.description}", lambda: iter(chosen)),
        )
    )
    if (await sample.record()).state is BatchState.PAUSED:
        await sample.resume()
    status = await follow(sample, until_halted=True)
    if status.record.state is not BatchState.FINISHED:
        why = status.record.state_reason or status.record.state
        raise BatchError(
            f"The sample {sample.batch_id!r} did not come to its end ({why}), so there is nothing to quote. "
            "The same command goes on with it."
        )
    rows = [row async for row in sample.results()]
    for line in quote(rows, total, request.spec.concurrency):
        click.echo(line, err=True)
    return replace(request, spec=replace(request.spec, reuse_from=sample.batch_id))


def _choose(source: Source, size: int) -> tuple[list[Entry], int]:
    """Return a uniform random choice of the entries, the same at every run, and how many entries there are."""
    draw = random.Random(SEED)  # noqa: S311 - a sample, not a secret
    chosen: list[tuple[int, Entry]] = []
    total = 0
    for total, entry in enumerate(source.entries(), start=1):
        if len(chosen) < size:
            chosen.append((total, entry))
        elif (place := draw.randrange(total)) < size:
            chosen[place] = (total, entry)
    return [entry for _, entry in sorted(chosen, key=lambda pair: pair[0])], total


def quote(rows: list[DocumentResult], total: int, concurrency: int) -> Iterator[str]:
    """Yield what the sample says of the whole: price, time and failures, each with its 95 % interval."""
    answered = [row for row in rows if row.status is not None and row.duplicate_of is None]
    if not answered:
        yield f"Sample: none of {len(rows):,} documents has an outcome; no quote."
        return
    asked = [row for row in answered if not row.reused]
    yield f"Sample: {len(answered):,} of {total:,} documents. For all of them, with 95 % intervals:"
    prices = [row.usd_nanos for row in asked if row.usd_nanos is not None]
    if not asked:
        yield "  price     nothing for these: every answer is there from an earlier batch"
    elif len(prices) < len(asked):
        yield "  price     not known: the sample holds a document at an unknown price"
    else:
        yield f"  price     {Estimate.of([float(price) for price in prices]).times(total, dollars)}"
    if asked:
        seconds = Estimate.of([row.seconds for row in asked])
        yield f"  time      {seconds.times(total / concurrency, duration)} at {concurrency:,} in flight"
    failed = sum(row.status == "failed" for row in answered)
    low, high = wilson(failed, len(answered))
    yield f"  failures  {failed / len(answered):.1%} ({low:.1%} to {high:.1%})"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean and half the width of its 95 % interval (normal approximation)."""

    mean: float
    margin: float

    @classmethod
    def of(cls, values: list[float]) -> "Estimate":
        """Estimate the mean of what the values were drawn from."""
        margin = NORMAL_95 * stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf
        return cls(mean=fmean(values), margin=margin)

    def times(self, factor: float, write: Callable[[float], str]) -> str:
        """Return the estimate for so many times the value, written for people."""
        middle = write(self.mean * factor)
        if math.isinf(self.margin):
            return f"{middle} (one document tells nothing of the spread)"
        low, high = (max(0.0, self.mean - self.margin) * factor, (self.mean + self.margin) * factor)
        return f"{middle} ({write(low)} to {write(high)})"


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share: sensible also for 0 hits."""
    z = NORMAL_95
    centre = (hits + z * z / 2) / (trials + z * z)
    margin = z / (trials + z * z) * math.sqrt(hits * (trials - hits) / trials + z * z / 4)
    return max(0.0, centre - margin), min(1.0, centre + margin)
