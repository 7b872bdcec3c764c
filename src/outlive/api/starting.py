"""From what a caller sends to what is started: the same for HTTP and for assistants."""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic_core import to_json

from outlive.api.bodies import AgentRunBody, BatchBody, DocumentBody, PlanRunBody, told_of
from outlive.api.views import AgentView, AppView, FunctionView, PlanView, StartedView
from outlive.batch_requests import BatchRequest, request_for
from outlive.client import Client
from outlive.contracts.batches import ReadingOptions
from outlive.contracts.budgets import Budget
from outlive.contracts.starts import BatchStart
from outlive.documents.entries import Entry, cleaned, is_url
from outlive.documents.sources import Source
from outlive.errors import SourceError, UsageError
from outlive.requesting import deps_of
from outlive.settings import Settings

FIRST_MESSAGE = "start"


async def start_agent(client: Client, agent: str, body: AgentRunBody, *, run_id: str | None) -> StartedView:
    """Start a run of an agent, or open a conversation.

    Raises:
        AppError: If the app has no such agent.
        UsageError: If the prompt is missing, or dependencies, budget or targets do not fit.
        RunError: If the id stands for another request.
        EngineUnavailable: If no engine answers.
    """
    declared = client.registry.agent(agent)
    deps = deps_of(declared, body.deps)
    budget = Budget.parse(body.budget) if body.budget else None
    tenant = body.tenant or None
    notify = told_of(body.notify)
    if body.conversation:
        talk = await client.conversation(
            agent, conversation_id=run_id, deps=deps, model=body.model, budget=budget, tenant=tenant, notify=notify
        )
        turn = None
        if body.prompt is not None:
            turn = await talk.say(body.prompt, message_id=FIRST_MESSAGE)
        return _started(talk.workflow_id, is_new=talk.is_new, turn=turn)
    if body.prompt is None:
        raise UsageError("The prompt is missing. Only a conversation begins without one.")
    handle = await client.start_run(
        agent, body.prompt, run_id=run_id, deps=deps, model=body.model, budget=budget, tenant=tenant, notify=notify
    )
    return _started(handle.workflow_id, is_new=handle.is_new)


async def start_plan(client: Client, plan: str, body: PlanRunBody, *, run_id: str | None) -> StartedView:
    """Start a run of a plan.

    Raises:
        AppError: If the app has no such plan.
        UsageError: If the input or the targets do not fit.
        RunError: If the id stands for another request.
        EngineUnavailable: If no engine answers.
    """
    _check_input(client.registry.plan(plan), body.input)
    handle = await client.start_plan(plan, body.input, run_id=run_id, shadow=body.shadow, notify=told_of(body.notify))
    return _started(handle.workflow_id, is_new=handle.is_new)


async def start_batch(client: Client, body: BatchBody, *, batch_id: str | None) -> StartedView:
    """Start a batch.

    Raises:
        AppError: If the app has no such batch function.
        UsageError: If documents, schema, budget or targets cannot be used.
        BatchError: If the id stands for another batch.
        EngineUnavailable: If no engine answers.
    """
    await client.temporal()  # no engine: nothing is written down either
    notify = told_of(body.notify)
    request = await asyncio.to_thread(batch_request, client, body, batch_id=batch_id)
    handle = await client.start_batch(replace(request, notify=notify))
    return StartedView(
        id=f"batch/{handle.batch_id}", is_new=handle.is_new, url=f"/v1/batches/{quote(handle.batch_id, safe='')}"
    )


def batch_request(client: Client, body: BatchBody, *, batch_id: str | None) -> BatchRequest:
    """Return the request for a batch; looks at its source, which may take a while.

    Raises:
        UsageError: If it cannot be used.
    """
    if (body.documents is None) == (body.source is None):
        raise SourceError("Give either documents or a source.")
    start = BatchStart(
        function=body.function,
        source="" if body.source is None else allowed_source(body.source, client.settings),
        column=body.column,
        text_column=body.text_column,
        model=body.model,
        instruction=body.instruction,
        output_schema=body.output_schema,
        concurrency=body.concurrency,
        reading=ReadingOptions(extract=body.extract, allow_private_addresses=client.settings.allow_private_addresses),
        long_documents=body.long_documents,
        fresh=body.fresh,
        budget=body.budget,
        tenant=body.tenant,
    )
    source = None if body.documents is None else source_of(body.documents)
    return request_for(start, client.registry, client.settings, batch_id=batch_id, source=source)


def allowed_source(text: str, settings: Settings) -> str:
    """Return a source that a caller of the API may name: an address, or what lies in the folder for it.

    Raises:
        SourceError: If it is anything else. What there is on this machine is not told.
    """
    if is_url(text):
        if not text.lower().startswith(("http://", "https://")):
            raise SourceError(f"The source {text!r} is not read. Give an http or https address.")
        return text
    if not settings.api_sources:
        raise SourceError("Local sources are not read for callers. Send documents, or set OUTLIVE_API_SOURCES.")
    folder = Path(settings.api_sources).resolve()
    path = (folder / text).resolve()
    if not path.is_relative_to(folder):
        raise SourceError(f"The source {text!r} is outside of the folder for sources. Name one inside of it.")
    return str(path)


def source_of(documents: Sequence[DocumentBody]) -> Source:
    """Return documents that were sent along as a source.

    Raises:
        SourceError: If one of them has neither a text nor an http address.
    """
    for number, document in enumerate(documents):
        if document.text is None and not (document.uri or "").lower().startswith(("http://", "https://")):
            raise SourceError(f"Document {number} has neither a text nor an http or https address. Give one of them.")
    digest = hashlib.sha256(to_json([document.model_dump() for document in documents])).hexdigest()[:12]

    def entries() -> Iterator[Entry]:
        for number, document in enumerate(documents):
            yield Entry(
                uri=cleaned(document.uri or f"document#{number}"),
                text=cleaned(document.text),
                fields=cleaned(document.fields),
            )

    return Source(f"{len(documents):,} documents sent along ({digest})", entries)


def app_view(client: Client) -> AppView:
    """Return what the app has, by name."""
    registry = client.registry
    agents = [
        AgentView(name=name, description=getattr(agent, "description", None), deps_schema=_schema_of(agent.deps_type))
        for name, agent in sorted(registry.agents.items())
    ]
    plans = [
        PlanView(
            name=name,
            summary=plan.summary,
            input_schema=None if plan.inputs is None else _adapter_schema(plan.inputs),
        )
        for name, plan in sorted(registry.plans.items())
    ]
    functions = [
        FunctionView(name=name, instruction=function.instruction) for name, function in sorted(registry.batches.items())
    ]
    return AppView(name=client.app.name, agents=agents, plans=plans, batches=functions)


def _started(workflow_id: str, *, is_new: bool, turn: int | None = None) -> StartedView:
    return StartedView(id=workflow_id, is_new=is_new, url=f"/v1/runs/{quote(workflow_id)}", turn=turn)


def _check_input(plan: Any, value: Any) -> None:
    """Refuse an input that does not fit as a mistake in the request, not as a conflict."""
    from outlive.errors import RunError

    try:
        plan.input_as_json(value)
    except RunError as error:
        raise UsageError(str(error)) from error


def _schema_of(kind: Any) -> dict[str, Any] | None:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    if kind in {None, type(None), object}:  # the last is Pydantic AI's own default: nothing was declared
        return None
    try:
        return _adapter_schema(TypeAdapter(kind))
    except PydanticUserError:  # a type that pydantic knows nothing of
        return None


def _adapter_schema(adapter: Any) -> dict[str, Any] | None:
    from pydantic.errors import PydanticInvalidForJsonSchema

    try:
        return dict(adapter.json_schema())
    except PydanticInvalidForJsonSchema:
        return None
