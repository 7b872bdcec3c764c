"""``outlive analyze``: one instruction, every document of a source, no code."""

import asyncio
from typing import TYPE_CHECKING, Any

import click

from outlive.cli.options import Answering, Reading, answer_options, source_options, taken

if TYPE_CHECKING:
    from outlive.client import BatchHandle, BatchRequest, Client


@click.command()
@click.argument("source")
@click.argument("instruction")
@click.option("-o", "--output", help="File for the results (.jsonl, .csv, .parquet); - is standard output.")
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

    SOURCE is a file of URLs or paths, a folder, a glob, a CSV or JSONL file, one document, or - for standard input.

    Interrupted, the same command goes on where it stopped. Without `outlive up` it runs the engine and the workers by
    itself for as long as it takes.
    """
    reading, answering = taken(Reading, options), taken(Answering, options)
    try:
        raise SystemExit(asyncio.run(_analyze(source, instruction, reading, answering, workers=workers, **options)))
    except KeyboardInterrupt:
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
        async with running_project(client.settings, workers=workers):
            if sample is not None:
                from outlive.cli.sampling import quote_sample

                request = await quote_sample(client, request, sample)
                if not yes and not click.confirm("Go on with all of them?", err=True):
                    return 0
            return await _run_through(client, request, output)


async def _run_through(client: "Client", request: "BatchRequest", output: str | None) -> int:
    from outlive.cli.following import follow
    from outlive.ledger.records import BatchState

    handle = await client.start_batch(request)
    record = await handle.record()
    if record.state is BatchState.FINISHED:
        click.echo(f"Batch {handle.batch_id} is finished already. --fresh would do it anew.", err=True)
    else:
        if record.duplicate_count:
            click.echo(f"{record.duplicate_count:,} entries repeat an earlier one and are done once.", err=True)
        if (await follow(handle)).record.state is not BatchState.FINISHED:
            click.echo(f"Batch {handle.batch_id} ended before it was through; the same command goes on.", err=True)
            return 1
    return await _hand_over(handle, output)


async def _hand_over(handle: "BatchHandle", output: str | None) -> int:
    from outlive.cli.results import default_destination, write_results

    destination = output or default_destination(handle.batch_id)
    count = await write_results(handle, destination)
    progress = (await handle.status(ask_engine=False)).progress
    if destination != "-":
        failed = f", {progress.failed_count:,} of them failed" if progress.failed_count else ""
        click.echo(f"{count:,} rows in {destination}{failed}.", err=True)
    return 0
