"""The activities that a worker process holds, where the other workers of this machine find them should it die.

Left to itself, the engine gives a dead worker up once its heartbeats have been missed for seconds. The kernel knows at
once: it lets go of the lock that each worker has on a file of its own. Whichever worker sees that first hands what the
dead one held back to the engine, so that it is made again without waiting. A task token stands for one attempt alone:
what has been acknowledged, given up or begun again meanwhile is not touched. For a machine that died, and a worker on
another one, the heartbeats remain. The same file tells of the owner of an effect whether it can still go on.
"""

import asyncio
import fcntl
import hashlib
import json
import logging
import os
import socket
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from outlive.engine.home import Home
from outlive.names import WORKER_LOST

logger = logging.getLogger(__name__)

OURS = ("agent__", "outlive_")
"""How the types of activities begin that are handed back. Those of plain Temporal code keep Temporal's own ways: one
that is completed elsewhere is not lost with the worker that began it."""

LOOK_SECONDS = 0.5  # between two looks for dead workers
ACKNOWLEDGED_SECONDS = 2.0  # nobody tells when the engine has heard of a result: by then it has, in all likelihood
MOST_FORGOTTEN = 1_000  # entries of ended activities after which the file is written anew, about half a MB
AT_ONCE = timedelta(milliseconds=10)  # none at all would mean the delay of the retry policy
LONGEST_PAUSE = timedelta(seconds=2)  # a call that kills every worker it meets is not to kill all of them in a row
RPC_TIMEOUT = timedelta(seconds=5)  # later than that, missed heartbeats tell the engine as well
_SUFFIX = ".held"


@dataclass(frozen=True, kw_only=True)
class Held:
    """One attempt at an activity, in the hands of a worker.

    Attributes:
        token: The engine's name for this very attempt.
        attempt: Counted by the engine from 1, deaths and failures alike.
    """

    token: bytes
    workflow_id: str
    run_id: str
    attempt: int

    @property
    def pause(self) -> timedelta:
        """How long it waits when its worker has died: not at all, the first time."""
        return min(max(AT_ONCE, timedelta(seconds=self.attempt - 1)), LONGEST_PAUSE)


class Holdings:
    """What this process holds, written down for as long as the block runs; and what dead ones have left.

    Attributes:
        owner: The name of this worker, as the ledger knows it: of its machine and project, and unlike any other.
    """

    def __init__(self, home: Home) -> None:
        self._folder = home.path / "workers"
        place = f"{socket.gethostname()}\0{uuid.getnode()}\0{self._folder.resolve()}"
        self._place = hashlib.sha256(place.encode()).hexdigest()[:12]
        self.owner = f"{self._place}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
        self._path = self._file_of(self.owner)
        self._descriptor: int | None = None
        self._held: dict[bytes, Held] = {}
        self._forgotten = 0

    def __enter__(self) -> Self:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(partial, flags, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        partial.replace(self._path)  # only now: who sees it unlocked takes it for a dead one's
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:  # drained: nothing is left to hand back
            self._path.unlink(missing_ok=True)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @contextmanager
    def holding(self, held: Held) -> Iterator[None]:
        """Have an attempt written down while the block runs, and until the engine has heard how it ended."""
        self._held[held.token] = held
        self._write(_line(held))
        try:
            yield
        finally:
            asyncio.get_running_loop().call_later(ACKNOWLEDGED_SECONDS, self._forget, held.token)

    def held(self) -> list[Held]:
        """Return what is in this process's hands now."""
        return list(self._held.values())

    def is_gone(self, owner: str) -> bool:
        """Whether a worker certainly cannot go on; False where that cannot be told from here."""
        if not owner.startswith(f"{self._place}."):
            return False
        try:
            descriptor = os.open(self._file_of(owner), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def left_by_dead(self) -> list[Held]:
        """Take what workers have left that are dead; nobody else gets it then."""
        left: list[Held] = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            if path != self._path:
                with suppress(OSError):  # alive, or taken by another worker just now
                    left += _taken(path)
        return left

    def _file_of(self, owner: str) -> Path:
        return self._folder / f"{owner}{_SUFFIX}"

    def _forget(self, token: bytes) -> None:
        if self._held.pop(token, None) is None or self._descriptor is None:
            return
        self._forgotten += 1
        if self._forgotten < MOST_FORGOTTEN:
            self._write(json.dumps({"forgotten": token.hex()}) + "\n")
            return
        self._forgotten = 0
        os.ftruncate(self._descriptor, 0)
        self._write("".join(map(_line, self._held.values())))

    def _write(self, text: str) -> None:
        if self._descriptor is not None:
            with suppress(OSError):  # a full disk: then the heartbeats tell, as they do for a dead machine
                os.write(self._descriptor, text.encode())


def _line(held: Held) -> str:
    values = {"workflow_id": held.workflow_id, "run_id": held.run_id, "attempt": held.attempt}
    return json.dumps({"token": held.token.hex(), **values}) + "\n"


def _taken(path: Path) -> list[Held]:
    """Read a dead worker's file and remove it.

    Raises:
        OSError: If its worker is alive, or another has taken it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
        return list(_entries(_text(descriptor)))
    finally:
        os.close(descriptor)


def _text(descriptor: int) -> str:
    with os.fdopen(os.dup(descriptor), encoding="utf-8", errors="replace") as file:
        return file.read()


def _entries(text: str) -> Iterable[Held]:
    held: dict[str, Held] = {}
    for line in text.splitlines():
        try:
            values: dict[str, Any] = json.loads(line)
            if forgotten := values.get("forgotten"):
                held.pop(forgotten, None)
            else:
                token = values.pop("token")
                held[token] = Held(token=bytes.fromhex(token), **values)
        except (ValueError, TypeError, KeyError):  # cut short by a full disk
            continue
    return held.values()


@asynccontextmanager
async def handing_back(client: Client, holdings: Holdings) -> AsyncIterator[None]:
    """Look for dead workers now and while the block runs, and hand what they held back to the engine."""
    await _hand_back_what_is_left(client, holdings)
    looking = asyncio.create_task(_look(client, holdings))
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _look(client: Client, holdings: Holdings) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await _hand_back_what_is_left(client, holdings)


async def _hand_back_what_is_left(client: Client, holdings: Holdings) -> None:
    if left := holdings.left_by_dead():
        logger.warning("A worker has died; what it held is made again", extra={"activities": len(left)})
        await asyncio.gather(*(hand_back(client, held) for held in left))


async def hand_back(client: Client, held: Held) -> None:
    """Let an attempt whose worker is dead be made again; nothing happens where the engine knows it no more."""
    forget_cache = ResetStickyTaskQueueRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=held.workflow_id, run_id=held.run_id),
    )
    lost = ApplicationError(
        "its worker died",
        type=WORKER_LOST,
        next_retry_delay=held.pause,
        category=ApplicationErrorCategory.BENIGN,
    )
    with suppress(RPCError):  # its run has ended; or no engine is there, and then the heartbeats tell
        await client.workflow_service.reset_sticky_task_queue(forget_cache, retry=True, timeout=RPC_TIMEOUT)
        await client.get_async_activity_handle(task_token=held.token).fail(lost, rpc_timeout=RPC_TIMEOUT)


class HoldingInterceptor(Interceptor):
    """Has the activities of agents and batches written down while they are in this worker's hands."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Return what stands before each activity."""
        return _Inbound(next, self._holdings)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, holdings: Holdings) -> None:  # noqa: A002
        super().__init__(next)
        self._holdings = holdings

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        info = activity.info()
        if info.is_local or not info.workflow_id or not info.activity_type.startswith(OURS):
            return await super().execute_activity(input)
        held = Held(
            token=info.task_token,
            workflow_id=info.workflow_id,
            run_id=info.workflow_run_id or "",
            attempt=info.attempt,
        )
        with self._holdings.holding(held):
            return await super().execute_activity(input)
