"""``outlive analyze``: one instruction, every document of a source, no code."""

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import click

from outlive.cli.options import Answering, Reading, answer_options, source_options, taken
from outlive.cli.terminal import tell
from outlive.errors import EngineUnavailable, UsageError

if TYPE_CHECKING:
    from outlive.handles import BatchHandle

STARTING_SECONDS = 15.0
"""How long engine and workers of our own may take to come up before that is worth a word."""


@click.command()
@click.argument("source")
@click.argument("instruction")
@click.option(
    "-o",
    "--output",
    help="File for the results (.jsonl, .csv, .parquet), s3://BUCKET/FILE, sql:VARIABLE/TABLE; - is standard output.",
)
@click.option("--id", "batch_id", help="Id of the batch; derived from documents and instruction, if left out.")
@click.option(
    "--sample", type=click.IntRange(min=1), help="Do so many first, quote the whole, and ask before going on."
)
@click.option("--yes", is_flag=True, help="Go on after the sample without asking.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes, if none are up.")
@source_options
@answer_options
def analyze(source: str, instruction: str, workers: int, **options: Any) -> None:
    """Answer INSTRUCTION for every document of SOURCE.

    SOURCE is a file of URLs or paths, a folder, a glob, a CSV or JSONL file, one document, or - for standard input;
    s3://BUCKET/PREFIX (gs://, az://); or sql:VARIABLE, with --query, for the database whose URL VARIABLE holds.

    Interrupted, the same command goes on where it stopped. Without `outlive up` it runs the engine and the workers by
    itself for as long as it takes.
    """
    reading, answering = taken(Reading, options), taken(Answering, options)
    try:
        raise SystemExit(asyncio.run(_analyze(source, instruction, reading, answering, workers=workers, **options)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("\nStopped. The same command goes on where it stopped.", err=True)
        raise SystemExit(130) from None


async def _analyze(
    source: str,
    instruction: str,
    reading: Reading,
    answering: Answering,
    *,
    workers: int,
    output: str | None,
    batch_id: str | None,
    sample: int | None,
    yes: bool,
) -> int:
    from outlive.cli.project import running_project
    from outlive.cli.requests import batch_request
    from outlive.cli.results import check_destination
    from outlive.client import Client
    from outlive.names import ANALYZE_FUNCTION

    _end_on_signals()
    if output is not None:
        check_destination(output)
    async with Client() as client:
        request = await batch_request(
            client,
            function=ANALYZE_FUNCTION,
            source=source,
            reading=reading,
            answering=answering,
            instruction=instruction,
            batch_id=batch_id,
        )
        if sample is None:
            handle = await client.load_batch(request)
            if await _is_finished(handle):  # no engine is needed to hand over what is there
                return await _hand_over(handle, output)
            async with running_project(client, workers=workers):
                return await _run_through(handle, output)
        if request.source.once:
            raise UsageError("--sample reads the source twice. Save standard input to a file and name that file.")
        async with running_project(client, workers=workers):
            from outlive.cli.sampling import quote_sample

            request = await quote_sample(client, request, sample)
            if not yes and not click.confirm("Go on with all of them?", err=True):
                return 0
            return await _run_through(await client.load_batch(request), output)


def _end_on_signals() -> None:
    """Let SIGTERM and SIGHUP do what Ctrl-C does: nothing is left running."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def _is_finished(handle: "BatchHandle") -> bool:
    from outlive.ledger.records import BatchState

    if (await handle.record()).state is not BatchState.FINISHED:
        return False
    click.echo(f"Batch {handle.batch_id} is finished already. --fresh would do it anew.", err=True)
    return True


async def _run_through(handle: "BatchHandle", output: str | None) -> int:
    from outlive.cli.following import follow, is_halted
    from outlive.ledger.records import BatchState

    if await _is_finished(handle):
        return await _hand_over(handle, output)
    duplicates = (await handle.record()).duplicate_count
    if duplicates:
        said = "entry repeats an earlier one and is" if duplicates == 1 else "entries repeat an earlier one and are"
        click.echo(f"{duplicates:,} {said} done once.", err=True)
    await _start(handle)
    last = await follow(handle, patience=STARTING_SECONDS, until_halted=True)
    if last.record.state is BatchState.FINISHED:
        return await _hand_over(handle, output)
    if is_halted(last):
        tell(f"Paused: {last.record.state_reason}", err=True)
        click.echo("Once that is mended, the same command goes on where it stopped.", err=True)
    else:
        click.echo(f"Batch {handle.batch_id} ended before it was through; the same command goes on.", err=True)
    return 1


async def _start(handle: "BatchHandle") -> None:
    """Start the batch, or go on with it; an engine that changes hands in this moment is waited for."""
    from outlive.ledger.records import BatchState

    deadline = asyncio.get_running_loop().time() + STARTING_SECONDS
    while True:
        try:
            await handle.start()
            if (await handle.record()).state is BatchState.PAUSED:
                await handle.resume()
        except EngineUnavailable:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.5)
        else:
            return


async def _hand_over(handle: "BatchHandle", output: str | None) -> int:
    from outlive.cli.results import default_destination, write_results

    destination = output or default_destination(handle.batch_id)
    count = await write_results(handle, destination)
    progress = (await handle.status(ask_engine=False)).progress
    if destination != "-":
        failed = f", {progress.failed_count:,} of them failed" if progress.failed_count else ""
        click.echo(f"{count:,} rows in {destination}{failed}.", err=True)
    return 0
