"""Names that live in histories and in other people's code. Renaming one breaks running work."""

DEFAULT_TASK_QUEUE = "outlive"

BATCH_WORKFLOW = "OutliveBatch"
BATCH_WORKFLOW_ID_PREFIX = "batch/"

WORK_WINDOW = "outlive_work_window"
MARK_BATCH = "outlive_mark_batch"
COUNT_MISSING = "outlive_count_missing"

PAUSE_SIGNAL = "pause"
RESUME_SIGNAL = "resume"
SET_WINDOWS_SIGNAL = "set_windows_in_flight"
PAUSE_REASON_QUERY = "pause_reason"

AGENT_WORKFLOW = "OutliveAgent"
AGENT_WORKFLOW_ID_PREFIX = "agent/"

PLAN_WORKFLOW = "OutlivePlan"
PLAN_WORKFLOW_ID_PREFIX = "plan/"
WAVE_WORKFLOW = "OutliveWave"
UNDO_WORKFLOW = "OutliveUndo"
UNDO_WORKFLOW_ID_PREFIX = "undo/"

SCHEDULED_WORKFLOW = "OutliveScheduled"
SCHEDULED_WORKFLOW_ID_PREFIX = "schedule/"
PREPARE_START = "outlive_prepare_start"

EFFECT_PREFIX = "effect__"
"""Begins the activity types of an app's effects: ``effect__copy_rows``."""

UNDO_EFFECT = "outlive_undo_effect"
LIST_UNDOABLE = "outlive_list_undoable"

NOTE_RUN = "outlive_note_run"
RECORD_HAND_OFF = "outlive_record_hand_off"
TELL_HAND_OFF = "outlive_tell_hand_off"

SAY_UPDATE = "say"
DECIDE_UPDATE = "decide"
CLAIM_UPDATE = "claim"
TAKE_OVER_UPDATE = "take_over"
CLOSE_SIGNAL = "close"
RUN_STATE_QUERY = "run_state"
HAND_OFFS_QUERY = "hand_offs"

STATE_MEMO = "outlive_state"
REQUEST_MEMO = "outlive_request"
BEGAN_MEMO = "outlive_began"
CONVERSATION_SUMMARY = "conversation"
HAND_OFFS_PATCH = "hand-offs-are-recorded"
HAND_OFF_IDS_PATCH = "hand-offs-have-ids-of-their-own"
PLAN_START_PATCH = "plans-say-that-they-start"
BATCH_HAND_OFFS_PATCH = "batches-ask-for-money"
ORIGINAL_RUN_HEADER = "outlive-original-run"
EFFECT_KEY_HEADER = "outlive-effect-key"

SETTLE_EFFECT = "outlive_settle_effect"
RAISE_BUDGET = "outlive_raise_budget"

BUDGET_SIGNAL = "budget_changed"
BUDGETS_HEADER = "outlive-budgets"
BUDGET_EXHAUSTED = "BudgetExhausted"
"""Type of the error with which a model call ends that no budget pays for."""

OUTCOME_UNKNOWN = "OutcomeUnknown"
EFFECT_REFUSED = "EffectRefused"
EFFECT_HELD = "EffectHeld"
"""Types of the errors with which an effect's activity ends that was not made."""

WORKER_LOST = "WorkerLost"
"""Type of the failure that an attempt ends with whose worker has died."""

ANALYZE_FUNCTION = "outlive.analyze"
"""The built-in batch function behind ``outlive analyze``."""

OFFLINE_MODEL = "offline:extractive"


def batch_workflow_id(batch_id: str) -> str:
    """Return the workflow id of a batch: what a person reads in Temporal's own Web UI."""
    return f"{BATCH_WORKFLOW_ID_PREFIX}{batch_id}"


def agent_workflow_id(agent: str, run_id: str) -> str:
    """Return the workflow id of an agent's run: ``agent/support/order-4711``."""
    return f"{AGENT_WORKFLOW_ID_PREFIX}{agent}/{run_id}"


def plan_workflow_id(plan: str, run_id: str) -> str:
    """Return the workflow id of a run of a plan: ``plan/migrate/customers``."""
    return f"{PLAN_WORKFLOW_ID_PREFIX}{plan}/{run_id}"


def split_plan_workflow_id(workflow_id: str) -> tuple[str, str] | None:
    """Return plan and run id of a workflow id; None for a workflow that is no run of a plan."""
    plan, slash, run_id = workflow_id.removeprefix(PLAN_WORKFLOW_ID_PREFIX).partition("/")
    if not workflow_id.startswith(PLAN_WORKFLOW_ID_PREFIX) or not slash or "/" in run_id:
        return None
    return plan, run_id


def undo_workflow_id(workflow_id: str) -> str:
    """Return the id of the workflow that takes back what another one has done: ``undo/plan/migrate/customers``."""
    return f"{UNDO_WORKFLOW_ID_PREFIX}{workflow_id}"


def scheduled_workflow_id(schedule_id: str) -> str:
    """Return what the ids of a schedule's workflows begin with; Temporal appends ``-`` and the time."""
    return f"{SCHEDULED_WORKFLOW_ID_PREFIX}{schedule_id}"


def scheduled_run_id(workflow_id: str) -> str:
    """Return what a scheduled run is called: ``nightly-2026-05-31T02:00:00Z``."""
    return workflow_id.removeprefix(SCHEDULED_WORKFLOW_ID_PREFIX)


def split_agent_workflow_id(workflow_id: str) -> tuple[str, str] | None:
    """Return agent and run id of a workflow id; None for a workflow that is no agent's."""
    agent, slash, run_id = workflow_id.removeprefix(AGENT_WORKFLOW_ID_PREFIX).partition("/")
    if not workflow_id.startswith(AGENT_WORKFLOW_ID_PREFIX) or not slash:
        return None
    return agent, run_id
