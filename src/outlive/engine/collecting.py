"""Removing what no run needs any more from a project's payload store."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.message import DecodeError, Message
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    DescribeActivityExecutionRequest,
    DescribeScheduleRequest,
    DescribeWorkflowExecutionRequest,
)
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from outlive.encryption.keyring import Keyring, keyring_of
from outlive.engine.envelopes import digests_behind
from outlive.engine.sealing import open_payload
from outlive.errors import CollectionAborted, EncryptionError, EngineError, LedgerError, PayloadError
from outlive.payloads.store import StoreFacts
from outlive.payloads.tree import expand
from outlive.payloads.vault import Vault, vault_of
from outlive.settings import Settings

_PAYLOAD = Payload.DESCRIPTOR.full_name
_CALL_TIMEOUT = timedelta(seconds=30)


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What a collection did.

    Attributes:
        executions: Runs whose histories were read, open and closed.
        referred: Chunks that they refer to.
        kept: Chunks in the store afterwards: also those that are not referred to, but were used within the grace.
        removed: Chunks that were removed; of a dry run, that would have been.
        removed_bytes: Bytes that these took as stored.
    """

    executions: int
    referred: int
    kept: int
    removed: int
    removed_bytes: int


@dataclass(frozen=True, kw_only=True)
class Marked:
    """What must stay: the digests that somebody refers to, and how many runs were read to learn it."""

    executions: int
    digests: AbstractSet[bytes]


async def collect(client: Client, settings: Settings, *, roots: AsyncIterable[bytes] | None = None) -> Collected:
    """Remove chunks that no retained run of the namespace refers to, and that were not used within the grace.

    May run at any time beside everything else: a run that begins to use an old chunk meanwhile marks it as used.

    Args:
        client: Connected to the one namespace that the store belongs to.
        roots: Serialised payloads that others keep, such as results in the ledger.

    Raises:
        CollectionAborted: If a run, schedule or root cannot be read. Nothing was removed.
    """
    return await sweep(settings, await mark(client, settings, roots=roots), now=datetime.now(UTC))


async def mark(
    client: Client, settings: Settings, *, roots: AsyncIterable[bytes] | None = None, gently: bool = False
) -> Marked:
    """Find what must stay. Changes nothing.

    Args:
        roots: Serialised payloads that others keep.
        gently: Rest after each run as long as reading it took, so that the engine has time for its work.

    Raises:
        CollectionAborted: If a run, schedule or root cannot be read.
    """
    marks = _Marks(vault_of(settings), keyring_of(settings))
    executions = 0
    try:
        async for run in client.list_workflows(rpc_timeout=_CALL_TIMEOUT):
            executions += 1
            began = time.monotonic()
            await marks.add_all(_payloads_of_run(client, run.id, run.run_id, run.status))
            await asyncio.sleep(time.monotonic() - began if gently else 0)
        await marks.add_all(_payloads_of_schedules(client))
        await marks.add_all(_payloads_of_activities(client))
        if roots is not None:
            await marks.add_all(_parsed(roots))
    except (RPCError, PayloadError, EncryptionError, EngineError, LedgerError, DecodeError) as error:
        raise CollectionAborted(
            f"What runs still need could not be read whole: {error} Nothing was removed. Mend it, and collect again."
        ) from error
    return Marked(executions=executions, digests=marks.digests)


async def sweep(settings: Settings, marked: Marked, *, now: datetime, dry_run: bool = False) -> Collected:
    """Remove what was not marked, and was not used within the grace before ``now``.

    Args:
        dry_run: Remove nothing, and say what would have been.

    Raises:
        PayloadError: If the store cannot be read or written.
    """
    unused_since = now - timedelta(days=settings.payload_grace_days)
    vault = vault_of(settings)
    swept = await vault.ask(lambda store: store.sweep(marked.digests, unused_since=unused_since, dry_run=dry_run))
    return Collected(
        executions=marked.executions,
        referred=len(marked.digests),
        kept=swept.kept,
        removed=swept.removed,
        removed_bytes=swept.removed_bytes,
    )


async def store_facts(settings: Settings) -> StoreFacts:
    """Count what a project's payload store holds.

    Raises:
        PayloadError: If the store cannot be opened or read.
    """
    return await vault_of(settings).ask(lambda store: store.facts())


class _Marks:
    """The digests that somebody refers to."""

    def __init__(self, vault: Vault, keys: Keyring | None) -> None:
        self._vault = vault
        self._keys = keys
        self._seen: set[bytes] = set()
        self.digests: set[bytes] = set()

    async def add_all(self, payloads: AsyncIterator[Payload]) -> None:
        async for payload in payloads:
            if payload.data in self._seen:
                continue
            opened = open_payload(payload, self._keys)
            found = await digests_behind(opened, lambda reference: expand(reference, self._load))
            if found:
                self._seen.add(payload.data)
                self.digests |= found

    async def _load(self, digests: Collection[bytes]) -> Mapping[bytes, bytes]:
        return await self._vault.load(digests)


async def _payloads_of_run(
    client: Client, workflow_id: str, run_id: str, status: WorkflowExecutionStatus | None
) -> AsyncIterator[Payload]:
    """Give all payloads of a run: of its history, and while it is open of what is not in history yet."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    try:
        async for event in handle.fetch_history_events(rpc_timeout=_CALL_TIMEOUT):
            for payload in payloads_in(event):
                yield payload
        if status is WorkflowExecutionStatus.RUNNING:
            execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
            asked = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=execution)
            answer = await client.workflow_service.describe_workflow_execution(asked, timeout=_CALL_TIMEOUT)
            for payload in payloads_in(answer):
                yield payload
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        # Its retention has ended since it was listed: nobody can read it any more.


async def _payloads_of_schedules(client: Client) -> AsyncIterator[Payload]:
    """Give all payloads that schedules start workflows with."""
    async for schedule in await client.list_schedules(rpc_timeout=_CALL_TIMEOUT):
        asked = DescribeScheduleRequest(namespace=client.namespace, schedule_id=schedule.id)
        try:
            answer = await client.workflow_service.describe_schedule(asked, timeout=_CALL_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            continue  # removed since it was listed
        for payload in payloads_in(answer):
            yield payload


async def _payloads_of_activities(client: Client) -> AsyncIterator[Payload]:
    """Give all payloads of activities that belong to no workflow, of a server that knows such."""
    try:
        async for found in client.list_activities("", rpc_timeout=_CALL_TIMEOUT):
            async for payload in _payloads_of_activity(client, found.activity_id, found.activity_run_id or ""):
                yield payload
    except RPCError as error:
        if error.status is not RPCStatusCode.UNIMPLEMENTED:
            raise


async def _payloads_of_activity(client: Client, activity_id: str, run_id: str) -> AsyncIterator[Payload]:
    asked = DescribeActivityExecutionRequest(
        namespace=client.namespace,
        activity_id=activity_id,
        run_id=run_id,
        include_input=True,
        include_outcome=True,
        include_heartbeat_details=True,
        include_last_failure=True,
    )
    try:
        answer = await client.workflow_service.describe_activity_execution(asked, timeout=_CALL_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return  # its retention has ended since it was listed
    for payload in payloads_in(answer):
        yield payload


async def _parsed(roots: AsyncIterable[bytes]) -> AsyncIterator[Payload]:
    async for root in roots:
        yield Payload.FromString(root)


def payloads_in(message: Message) -> Iterator[Payload]:
    """Give every payload in a message of Temporal's, wherever it stands."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            values = value.values() if field.message_type.fields_by_name["value"].message_type else ()
        else:
            values = value if isinstance(value, list) or hasattr(value, "append") else (value,)
        for inner in values:
            yield from payloads_in(inner)
