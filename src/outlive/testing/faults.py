"""Deaths at a named moment: a worker process that kills itself with -9, exactly where it hurts.

For tests that prove a batch, or an agent's run, whole whatever dies. The product's own code knows nothing of it: the
moments are seen through Temporal's interceptors and SQLAlchemy's events::

    client = Fault(Moment.AFTER_COMMIT, occurrence=3).armed(await connect(settings))
    await serve(client, app, settings, stop)  # killed right after the third commit of outcomes
"""

import os
import re
import signal
from collections.abc import Callable
from enum import StrEnum
from typing import Any, NoReturn

import temporalio.client
import temporalio.worker
from sqlalchemy import Connection, Engine, event
from temporalio import activity, workflow

from outlive.names import WORK_WINDOW


class Moment(StrEnum):
    """When a worker process dies."""

    BEFORE_COMMIT = "before_commit"  # outcomes are in the open transaction
    AFTER_COMMIT = "after_commit"  # outcomes are committed; neither the activity nor the engine has heard of it
    HEARTBEAT = "heartbeat"  # a window is about to tell the engine that it lives
    WINDOW_DONE = "window_done"  # all outcomes of a window are committed; its completion is not reported
    CONTINUE_AS_NEW = "continue_as_new"  # a workflow run asks to be continued, and the engine has not heard of it
    CONTINUED = "continued"  # the run that continues another one begins
    CALL_SCHEDULED = "call_scheduled"  # an agent's run asks for a call, and the engine has not heard of it
    CALL_BEGUN = "call_begun"  # a worker has taken a call of a model or tool up, and the ledger has not heard of it
    CALL_CLAIMED = "call_claimed"  # a call of a model or tool is in the ledger as begun, and not made yet
    CALL_MADE = "call_made"  # it has its result, which is in the open transaction
    CALL_RECORDED = "call_recorded"  # its result is in the ledger, and the engine has not heard of it
    RUN_ENDING = "run_ending"  # a workflow has its result, and the engine has not heard of it


RECORDED_CALLS = ("agent__", "effect__", "outlive_undo_effect")
"""How the activity types of models and tools begin; Pydantic AI names them."""


def kill_this_process() -> NoReturn:
    """End this process as ``kill -9`` does: no handler, no flush, no goodbye."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError  # nobody survives that


class Fault(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """One death, at the n-th time that its moment comes in this process."""

    def __init__(
        self, moment: Moment, *, occurrence: int = 1, strike: Callable[[], object] = kill_this_process
    ) -> None:
        """Describe the death; nothing is armed.

        Args:
            occurrence: Which time, from 1.
            strike: What happens then.
        """
        self.moment = moment
        self._left = occurrence
        self._strike = strike
        self._asked: set[tuple[str, int]] = set()

    def armed(self, client: temporalio.client.Client) -> temporalio.client.Client:
        """Return a client whose workers in this process die at the moment."""
        if self.moment in {Moment.BEFORE_COMMIT, Moment.AFTER_COMMIT}:
            _watch_commits(self, _NEW_OUTCOMES, before=Moment.BEFORE_COMMIT, after=Moment.AFTER_COMMIT)
            return client
        if self.moment is Moment.CALL_CLAIMED:
            _watch_commits(self, _NEW_EFFECT, after=Moment.CALL_CLAIMED)
            return client
        if self.moment is Moment.CALL_MADE:
            _watch_commits(self, _EFFECT_RESULT, before=Moment.CALL_MADE)
            return client
        config = client.config()
        config["interceptors"] = [*config["interceptors"], self]
        return temporalio.client.Client(**config)

    def reached(self, moment: Moment) -> None:
        """Take note of a moment, and strike where it is the one."""
        if moment is not self.moment:
            return
        self._left -= 1
        if self._left == 0:
            self._strike()

    def asked(self, run_id: str, number: int) -> None:
        """Take note that a run asks for its n-th call; once, though a workflow task may be tried again."""
        if (run_id, number) not in self._asked:
            self._asked.add((run_id, number))
            self.reached(Moment.CALL_SCHEDULED)

    def intercept_activity(
        self,
        next: temporalio.worker.ActivityInboundInterceptor,  # noqa: A002 - Temporal's own name
    ) -> temporalio.worker.ActivityInboundInterceptor:
        """Watch windows and calls."""
        return _Activities(next, self)

    def workflow_interceptor_class(
        self,
        input: temporalio.worker.WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - Temporal's own name
    ) -> type[temporalio.worker.WorkflowInboundInterceptor] | None:
        """Watch runs."""
        return type("WatchedRuns", (_Runs,), {"fault": self})


class _Activities(temporalio.worker.ActivityInboundInterceptor):
    def __init__(self, next: temporalio.worker.ActivityInboundInterceptor, fault: Fault) -> None:  # noqa: A002
        super().__init__(next)
        self._fault = fault

    def init(self, outbound: temporalio.worker.ActivityOutboundInterceptor) -> None:
        super().init(_Heartbeats(outbound, self._fault))

    async def execute_activity(self, input: temporalio.worker.ExecuteActivityInput) -> Any:  # noqa: A002
        is_call = activity.info().activity_type.startswith(RECORDED_CALLS)
        if is_call:
            self._fault.reached(Moment.CALL_BEGUN)
        result = await super().execute_activity(input)
        if activity.info().activity_type == WORK_WINDOW:
            self._fault.reached(Moment.WINDOW_DONE)
        elif is_call:
            self._fault.reached(Moment.CALL_RECORDED)
        return result


class _Heartbeats(temporalio.worker.ActivityOutboundInterceptor):
    def __init__(self, next: temporalio.worker.ActivityOutboundInterceptor, fault: Fault) -> None:  # noqa: A002
        super().__init__(next)
        self._fault = fault

    def heartbeat(self, *details: Any) -> None:
        self._fault.reached(Moment.HEARTBEAT)
        super().heartbeat(*details)


class _Runs(temporalio.worker.WorkflowInboundInterceptor):
    fault: Fault

    def init(self, outbound: temporalio.worker.WorkflowOutboundInterceptor) -> None:
        super().init(_Commands(outbound, self.fault))

    async def execute_workflow(self, input: temporalio.worker.ExecuteWorkflowInput) -> Any:  # noqa: A002
        if workflow.info().continued_run_id:
            self.fault.reached(Moment.CONTINUED)
        result = await super().execute_workflow(input)
        self.fault.reached(Moment.RUN_ENDING)
        return result


class _Commands(temporalio.worker.WorkflowOutboundInterceptor):
    def __init__(self, next: temporalio.worker.WorkflowOutboundInterceptor, fault: Fault) -> None:  # noqa: A002
        super().__init__(next)
        self._fault = fault
        self._calls = 0

    def start_activity(self, input: temporalio.worker.StartActivityInput) -> "workflow.ActivityHandle[Any]":  # noqa: A002
        if input.activity.startswith(RECORDED_CALLS):
            self._calls += 1
            if not workflow.unsafe.is_replaying():
                self._fault.asked(workflow.info().run_id, self._calls)
        return super().start_activity(input)

    def continue_as_new(self, input: temporalio.worker.ContinueAsNewInput) -> NoReturn:  # noqa: A002
        self._fault.reached(Moment.CONTINUE_AS_NEW)
        super().continue_as_new(input)


_WATCHED = "outlive_watched_write"
_NEW_OUTCOMES = re.compile("INSERT INTO outcomes ")
_NEW_EFFECT = re.compile("INSERT INTO effects ")
_EFFECT_RESULT = re.compile(r"UPDATE effects SET .*\bresult=")


def _watch_commits(
    fault: Fault, write: re.Pattern[str], *, after: Moment | None = None, before: Moment | None = None
) -> None:
    """Watch every commit in this process that holds a write."""

    def executed(connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        if write.match(statement.lstrip()):
            connection.info[_WATCHED] = True

    def committing(connection: Connection) -> None:
        if before is not None and connection.info.get(_WATCHED):
            fault.reached(before)

    def returned(_driver_connection: object, record: Any) -> None:
        if record.info.pop(_WATCHED, False) and after is not None:
            fault.reached(after)

    event.listen(Engine, "after_cursor_execute", executed)
    event.listen(Engine, "commit", committing)
    event.listen(Engine, "checkin", returned)
