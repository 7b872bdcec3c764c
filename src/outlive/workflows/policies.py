"""Every timeout, heartbeat and retry policy: one named value per kind of work, with its reason."""

from datetime import timedelta

from temporalio.common import RetryPolicy

WORKFLOW_TASK_TIMEOUT = timedelta(seconds=5)  # a worker killed in a workflow task is replaced after it (default: 10 s)

WINDOW_TIMEOUT = timedelta(days=7)  # a window's length is its documents'; heartbeats, not this, tell that it is alive
WINDOW_HEARTBEAT_TIMEOUT = timedelta(seconds=8)  # a dead worker's window goes on elsewhere within 10 s
WINDOW_RETRIES = RetryPolicy(
    # unlimited: a window fails only when a worker died or cannot serve it, and both are mended; never slower, since a
    # window that has lost its worker ten times is to go on within 10 s of the eleventh death too
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=2),
)

LEDGER_TIMEOUT = timedelta(seconds=10)  # counting a million rows takes half a second; a dead worker costs no more
LEDGER_RETRIES = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))

AGENT_CALL_HEARTBEAT_TIMEOUT = timedelta(
    seconds=5
)  # a dead worker's call is made again within 10 s, also on a busy machine
AGENT_CALL_TIMEOUT = timedelta(
    hours=24
)  # the worker itself ends a call that takes too long, and counts that as a failure
AGENT_CALL_RETRIES = RetryPolicy(
    # unlimited, and never slower: a call that has lost its worker goes on at once. Failures of the call itself are
    # counted, spaced out and bounded by the worker, which knows them from deaths.
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=1.0,
    maximum_interval=timedelta(hours=1),  # the longest that a provider's Retry-After is heeded
)
AGENT_EVENTS_PER_RUN = 600  # about 50 model calls with a tool call each: replayed in less than a second
AGENT_BYTES_PER_RUN = 2_000_000  # of history, which holds no message above some KB

PLAN_EVENTS = 40_000  # of the 51,200 at which the server ends a run: what is left is for taking back and asking

PREPARE_TIMEOUT = timedelta(hours=12)  # a source with millions of documents is written down; heartbeats tell of a death
PREPARE_HEARTBEAT_TIMEOUT = timedelta(seconds=8)
PREPARE_RETRIES = RetryPolicy(
    # unlimited: a ledger that is away or an app without the agent is mended; what nobody can mend from outside ends it
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(minutes=1),
    non_retryable_error_types=["SourceError", "BatchError", "BudgetError", "RunError", "UsageError"],
)

NOTE_TIMEOUT = timedelta(seconds=5)
NOTE_RETRIES = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=2))

RECORD_TIMEOUT = timedelta(seconds=10)  # the ledger's own wait for another writer is part of it
RECORD_RETRIES = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5))

CLAIM_LASTS = timedelta(minutes=30)  # whoever claimed a hand-off and went home does not keep it from the others
MOST_EVENTS_FOR_REMINDERS = 20_000  # what is left is for the run itself
DECISIONS_REMEMBERED = 50  # older ones are in the ledger

TELL_TIMEOUT = timedelta(minutes=1)  # for one attempt of the app's own function
TELL_LASTS = timedelta(hours=6)  # a mail server that is down for longer is told of nothing that is still news
TELL_RETRIES = RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=5))
TELL_AT_THE_END = timedelta(minutes=1)  # that a run which could end waits for what is still to be told
