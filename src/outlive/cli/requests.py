"""From what was typed to what is started."""

import platform
import sys
from typing import TYPE_CHECKING

import click

from outlive.app import App
from outlive.batch_requests import BatchRequest
from outlive.cli.options import Answering, Reading
from outlive.client import Client
from outlive.contracts.batches import BatchSpec
from outlive.contracts.budgets import Budget
from outlive.documents.entries import is_url
from outlive.names import OFFLINE_MODEL

if TYPE_CHECKING:
    from outlive.documents.sources import Source


async def batch_request(
    client: Client,
    *,
    function: str,
    source: str,
    reading: Reading,
    answering: Answering,
    instruction: str | None = None,
    batch_id: str | None = None,
) -> BatchRequest:
    """Check all that can be checked before anything starts, and return the request.

    Raises:
        UsageError: If the source, the schema, the model or its key cannot be used.
    """
    from outlive.documents.reader import check_options
    from outlive.documents.sources import open_source
    from outlive.models.calls import Models
    from outlive.models.extractive import check_output
    from outlive.models.keys import default_model
    from outlive.models.outputs import prepare_output

    declared = client.function(function)
    budget = None if answering.budget is None else Budget.parse(answering.budget)
    opened = open_source(
        source,
        column=reading.column,
        text_column=reading.text_column,
        query=reading.query,
        key=reading.key,
        stdin=sys.stdin if source == "-" else None,
    )
    if client.settings.ledger and has_local_files(opened):
        click.echo(
            f"These documents are files of this machine ({platform.node()}): workers elsewhere cannot read them. "
            "Documents in an object store reach all of them.",
            err=True,
        )
    options = reading.options(client.settings)
    check_options(options)
    schema = answering.output_schema()
    model = answering.model or declared.model or default_model(client.settings)
    if model == OFFLINE_MODEL:
        click.echo(
            f"Model {OFFLINE_MODEL}: sentences picked from each document, no language model. "
            "Set a provider's key or --model for a real one.",
            err=True,
        )
        if schema is not None:
            check_output(prepare_output(schema))
    async with Models(client.settings) as models:
        await models.check(model)
    return BatchRequest(
        source=opened,
        batch_id=batch_id,
        budget=budget,
        spec=BatchSpec(
            batch_id=batch_id or "",
            function=function,
            model=model,
            instruction=instruction,
            output_schema=schema,
            concurrency=answering.concurrency or declared.concurrency,
            reading=options,
            long_documents=reading.long_documents,
            fresh=answering.fresh,
            tenant=answering.tenant,
        ),
    )


def has_local_files(source: "Source") -> bool:
    """Return whether the first document of a source is a file of this machine."""
    first = None if source.once else next(iter(source.entries()), None)
    return first is not None and first.cause is None and first.text is None and not is_remote(first.uri)


def is_remote(uri: str) -> bool:
    """Return whether every machine can read an address, as far as that can be told."""
    return is_url(uri) and not uri.lower().startswith("file:")


def app_for(reference: str | None) -> App:
    """Return the app that the user named, or the built-in one."""
    from outlive.app import load_app

    return load_app(reference)
