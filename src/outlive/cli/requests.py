"""From what was typed to what is started."""

import sys

import click

from outlive.app import App
from outlive.batch_requests import BatchRequest
from outlive.cli.options import Answering, Reading
from outlive.client import Client
from outlive.contracts.batches import BatchSpec
from outlive.contracts.budgets import Budget
from outlive.names import OFFLINE_MODEL


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


def app_for(reference: str | None) -> App:
    """Return the app that the user named, or the built-in one."""
    from outlive.app import load_app

    return load_app(reference)
