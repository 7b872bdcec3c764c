"""``outlive batch``: start, follow and change batches, and get their results."""

import asyncio
import getpass
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from outlive.cli.options import Answering, Reading, answer_options, source_options, taken
from outlive.cli.terminal import tell
from outlive.contracts.budgets import Budget
from outlive.errors import BatchError
from outlive.ledger.records import BatchState

if TYPE_CHECKING:
    from outlive.client import Client
    from outlive.engine.home import Home
    from outlive.handles import BatchStatus


@click.group()
def batch() -> None:
    """Start, follow and change batches, and get their results."""


@batch.command()
@click.argument("function")
@click.argument("source")
@click.option("--app", "reference", help="MODULE:APP that declares FUNCTION; what `outlive up` serves, if left out.")
@click.option("--id", "batch_id", help="Id of the batch. The same id again is the same batch.")
@click.option("--instruction", help="What to do with each document, in place of the function's docstring.")
@source_options
@answer_options
def start(function: str, source: str, reference: str | None, **options: Any) -> None:
    """Start FUNCTION on every document of SOURCE; returns at once.

    SOURCE is a file of URLs or paths, a folder, a glob, a CSV or JSONL file, one document, or - for standard input;
    s3://BUCKET/PREFIX (gs://, az://); or sql:VARIABLE, with --query, for the database whose URL VARIABLE holds.
    """
    reading, answering = taken(Reading, options), taken(Answering, options)

    async def run() -> None:
        from outlive.cli.requests import app_for, batch_request
        from outlive.client import Client
        from outlive.engine.home import Home
        from outlive.settings import Settings

        served = Home(Settings.load().home).recorded_app()
        async with Client(app=app_for(reference or served)) as client:
            client.function(function)
            await client.temporal()  # no engine: nothing is written down either
            request = await batch_request(
                client,
                function=function,
                source=source,
                reading=reading,
                answering=answering,
                instruction=options["instruction"],
                batch_id=options["batch_id"] or await client.next_id(function.rpartition(".")[2]),
            )
            handle = await client.start_batch(request)
            record = await handle.record()
            click.echo(f"batch/{handle.batch_id}")
            duplicates = f", {record.duplicate_count:,} more are duplicates" if record.duplicate_count else ""
            click.echo(f"{record.unique_count:,} documents{duplicates}.", err=True)
            click.echo(f"Follow it with `outlive batch watch {handle.batch_id}`.", err=True)

    asyncio.run(run())


@batch.command()
@click.argument("batch_id")
def watch(batch_id: str) -> None:
    """Follow a batch until it has ended. Ctrl-C leaves it running."""

    async def run() -> int:
        from outlive.cli.following import follow

        async with _client() as client:
            status = await follow(await client.batch(batch_id))
            return 0 if status.record.state is BatchState.FINISHED else 1

    try:
        raise SystemExit(asyncio.run(run()))
    except KeyboardInterrupt:
        click.echo(f"\nIt goes on. Look again with `outlive batch watch {batch_id}`.", err=True)


@batch.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_batches(as_json: bool) -> None:
    """List the batches of this project."""

    async def run() -> None:
        from outlive.engine.connection import configured_cluster

        statuses: list[BatchStatus] = []
        if _has_ledger():
            async with _client() as client:
                statuses = [await handle.status(ask_engine=False) for handle in await client.batches()]
        if as_json:
            click.echo(json.dumps([_plain(status) for status in statuses], indent=2))
        elif not statuses:
            click.echo('No batches yet. Start one with `outlive analyze SOURCE "INSTRUCTION"`.', err=True)
        else:
            from outlive.cli.listing import print_batches

            has_engine = configured_cluster() or _home().live_state() is not None
            print_batches(statuses, has_engine=has_engine)

    asyncio.run(run())


@batch.command()
@click.argument("batch_id")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(batch_id: str, as_json: bool) -> None:
    """Say where a batch stands, and what keeps it from moving."""

    async def run() -> None:
        from outlive.cli.amounts import dollars
        from outlive.cli.following import facts
        from outlive.errors import EngineUnavailable
        from outlive.handles import trouble

        no_engine = ""
        async with _client() as client:
            handle = await client.batch(batch_id)
            try:
                found = await handle.status()
            except EngineUnavailable as error:  # what the ledger knows is worth saying all the same
                found, no_engine = await handle.status(ask_engine=False), str(error)
            outlook = await handle.outlook(found)
        if as_json:
            click.echo(json.dumps({**_plain(found), "outlook": asdict(outlook)}, indent=2))
            return
        progress = found.progress
        recorded = progress.done + progress.failed_count
        tell(f"{found.record.batch_id}: {found.record.state}, {recorded:,} of {progress.total:,} documents")
        click.echo(facts(found, outlook.documents_per_second))
        if outlook.usd_nanos is not None:
            click.echo(f"All of it will cost about {dollars(outlook.usd_nanos)}. {outlook.basis}")
        if note := no_engine or trouble(found):
            tell(note)

    asyncio.run(run())


@batch.command()
@click.argument("batch_id")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def failures(batch_id: str, as_json: bool) -> None:
    """Say what documents failed of, with an example of each cause and what to do."""

    async def run() -> None:
        async with _client() as client:
            groups = await (await client.batch(batch_id)).failures()
        if as_json:
            click.echo(json.dumps([asdict(group) for group in groups], indent=2))
            return
        if not groups:
            click.echo("No document failed.", err=True)
        for group in groups:
            documents = f"{group.documents:,} document{'s' if group.documents > 1 else ''}"
            click.echo(f"{group.cause}, {documents}: {group.explanation}")
            tell(f"  such as {group.example.uri}: {group.example.reason}")

    asyncio.run(run())


@batch.command()
@click.argument("batch_id")
def pause(batch_id: str) -> None:
    """Begin no further document; those in flight are finished."""
    _change(batch_id, "pause", f"Pausing; `outlive batch resume {batch_id}` goes on.")


@batch.command()
@click.argument("batch_id")
def resume(batch_id: str) -> None:
    """Go on with a batch that is paused, cancelled, or no longer known to the engine."""

    async def run() -> str:
        async with _client() as client:
            handle = await client.batch(batch_id)
            if (await handle.record()).state is BatchState.FINISHED:
                return f"Batch {handle.batch_id} is finished already."
            await handle.start()
            await handle.resume()
            return "It goes on."

    click.echo(asyncio.run(run()))


@batch.command()
@click.argument("batch_id")
def cancel(batch_id: str) -> None:
    """End a batch after the documents in flight. What is done stays."""
    _change(batch_id, "cancel", f"Cancelling; `outlive batch resume {batch_id}` would go on where it stopped.")


@batch.command(name="set")
@click.argument("batch_id")
@click.option("--concurrency", type=click.IntRange(min=1), help="Documents in flight over all workers.")
@click.option("--budget", help="The most that it may spend: 50usd. One that is paused for money goes on by itself.")
def change(batch_id: str, concurrency: int | None, budget: str | None) -> None:
    """Change how many documents are in flight, or what may be spent, while the batch runs."""
    if concurrency is None and budget is None:
        raise click.UsageError("Give --concurrency, --budget or both.")
    wanted = None if budget is None else Budget.parse(budget)

    async def run() -> None:
        async with _client() as client:
            handle = await client.batch(batch_id)
            if concurrency is not None:
                await handle.set_concurrency(concurrency)
            if wanted is not None:
                await handle.set_budget(wanted, by=getpass.getuser())

    asyncio.run(run())
    if concurrency is not None:
        click.echo(f"{concurrency:,} documents in flight from now on.")
    if budget is not None:
        click.echo(f"It may spend {budget}.")


@batch.command(name="retry-failed")
@click.argument("batch_id")
def retry_failed(batch_id: str) -> None:
    """Do the failed documents of an ended batch again, and pay for their calls again."""

    async def run() -> int:
        async with _client() as client:
            return await (await client.batch(batch_id)).retry_failed()

    count = asyncio.run(run())
    click.echo(f"{count:,} document{'s are' if count != 1 else ' is'} done again." if count else "No document failed.")


@batch.command()
@click.argument("batch_id")
@click.option(
    "-o",
    "--output",
    default="-",
    help="File (.jsonl, .csv, .parquet), s3://BUCKET/FILE, or sql:VARIABLE/TABLE; - is standard output.",
)
@click.option(
    "--format", "file_format", type=click.Choice(["jsonl", "csv", "parquet"]), help="Where the name tells none."
)
def results(batch_id: str, output: str, file_format: str | None) -> None:
    """Write the results so far, in source order, failures with their reasons."""

    async def run() -> int:
        from outlive.cli.results import write_results

        async with _client() as client:
            return await write_results(await client.batch(batch_id), output, file_format=file_format)

    count = asyncio.run(run())
    if output != "-":
        click.echo(f"{count:,} rows in {output}", err=True)


def _home() -> "Home":
    from outlive.engine.home import Home
    from outlive.settings import Settings

    return Home(Settings.load().home)


def _has_ledger() -> bool:
    from outlive.settings import Settings

    return bool(Settings.load().ledger) or _home().ledger_db.exists()


def _client() -> "Client":
    """Return a client of a project that has batches: looking for one creates nothing.

    Raises:
        BatchError: If no batch was ever started here.
    """
    from outlive.client import Client

    if not _has_ledger():
        raise BatchError(
            f"No batch was ever started here: {str(_home().path)!r} holds none. "
            "Work in the folder where it was started, or name its state folder with OUTLIVE_HOME."
        )
    return Client()


def _change(batch_id: str, method: str, said: str) -> None:
    async def run() -> None:
        async with _client() as client:
            handle = await client.batch(batch_id)
            if (state := (await handle.record()).state) in {BatchState.FINISHED, BatchState.CANCELLED}:
                raise BatchError(f"Batch {handle.batch_id!r} is {state} already. There is nothing to {method}.")
            await getattr(handle, method)()

    asyncio.run(run())
    click.echo(said)


def _plain(status: "BatchStatus") -> dict[str, Any]:
    record, progress = status.record, status.progress
    return {
        "batch_id": record.batch_id,
        "state": record.state,
        "state_reason": record.state_reason,
        "source": record.spec.source,
        "model": record.spec.model,
        "concurrency": record.concurrency,
        "created_at": record.created_at,
        "finished_at": record.finished_at,
        "documents": record.document_count,
        "duplicates": record.duplicate_count,
        "progress": {**asdict(progress), "missing": progress.missing},
        "health": asdict(status.health) if status.health else None,
    }
