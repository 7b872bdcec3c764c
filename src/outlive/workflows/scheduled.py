"""The workflow that a schedule starts: it starts a run like any other as its child, and ends with it.

It waits for the run's end so that the schedule's overlap policy is about the run, not about its start.
"""

from temporalio import workflow
from temporalio.common import Priority, RawValue, WorkflowIDReusePolicy

from outlive.contracts.starts import ScheduledOutcome, ScheduledStart, StartToPrepare
from outlive.names import REQUEST_MEMO, SCHEDULED_WORKFLOW, scheduled_run_id
from outlive.workflows import calls, policies


@workflow.defn(name=SCHEDULED_WORKFLOW)
class ScheduledWorkflow:
    """Starts what a schedule is for, once; cancelled, it cancels the run."""

    @workflow.run
    async def run(self, start: ScheduledStart) -> ScheduledOutcome:
        """Start the run of this time, and wait for its end."""
        run_id = scheduled_run_id(workflow.info().workflow_id)
        prepared = await calls.prepare_start(StartToPrepare(start=start, run_id=run_id))
        workflow.set_current_details(f"Runs {prepared.workflow_id}")
        await workflow.execute_child_workflow(
            prepared.workflow,
            prepared.argument,
            id=prepared.workflow_id,
            result_type=RawValue,  # what it ended with stays with it
            memo={REQUEST_MEMO: prepared.request} if prepared.request else None,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            task_timeout=policies.WORKFLOW_TASK_TIMEOUT,
            static_summary=prepared.summary or None,
            priority=Priority(priority_key=prepared.priority_key, fairness_key=prepared.fairness_key or None),
        )
        return ScheduledOutcome(workflow_id=prepared.workflow_id)
