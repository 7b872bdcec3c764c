"""The tables of the ledger: what each column holds, and why it is there.

What is added here is added to the ledgers that exist when they are opened (`outlive.ledger.tables`), while older code
may be at work on them. So a column that is new in a table which exists is nullable or has a ``server_default``, a new
index of such a table is not unique, and nothing is renamed, retyped or removed.

What a person or a model has written is `Sealed`: encrypted where the project has keys. Payloads of Temporal are
encrypted before they come here. What is looked for stays readable, or is a keyed digest (`outlive.ledger.lookups`).
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from outlive.encryption.columns import Sealed, SealedPayload

SCHEMA_VERSION = 1
"""Kept in ``meta``; a newer number than this is refused. What is only added leaves it as it is: older code goes on
working beside newer code. It grows with a change that older code would do harm to."""

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("number", Integer, primary_key=True),  # short key of the other tables
    Column("batch_id", String(200), nullable=False),
    Column("spec", Sealed("batches.spec"), nullable=False),  # JSON of contracts.batches.BatchSpec
    Column("recipe", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # one of records.BatchState
    Column("state_reason", Sealed("batches.state_reason")),
    Column("concurrency", Integer, nullable=False),  # may change while the batch runs
    Column("document_count", Integer, nullable=False, default=0),
    Column("duplicate_count", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),  # seconds since the epoch
    Column("finished_at", Float),
    UniqueConstraint("batch_id"),
)

documents = Table(
    "documents",
    metadata,
    Column("batch", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("uri", Sealed("documents.uri"), nullable=False),
    Column("uri_key", LargeBinary(16), nullable=False),  # digest of address and inline text; keyed where there are keys
    Column("text", Sealed("documents.text")),  # the text itself, where the source holds it
    Column("fields", Sealed("documents.fields")),  # JSON object: the other columns of the source
    Column("cause", String(32)),  # set where the source's own row is at fault …
    Column("reason", Sealed("documents.reason")),  # … with the reason
    Column("duplicate_of", Integer),  # position of the first document with the same address
    sqlite_with_rowid=False,
)

begun = Table(  # how often each document was begun, and what was paid for outcomes that were since taken back
    "begun",
    metadata,
    Column("batch", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("times", Integer, nullable=False),
    Column("outages", Integer, nullable=False, default=0),  # … of them, broken off since the model answered nobody
    Column("given_back", Integer, nullable=False, default=0),  # … of them, broken off by a worker that had to stop
    Column("earlier_calls", Integer, nullable=False, default=0),
    Column("earlier_input_tokens", BigInteger, nullable=False, default=0),
    Column("earlier_output_tokens", BigInteger, nullable=False, default=0),
    Column("earlier_usd_nanos", BigInteger, nullable=False, default=0),
    sqlite_with_rowid=False,
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("batch", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("status", String(8), nullable=False),
    Column("cause", String(32)),
    Column("reason", Sealed("outcomes.reason")),
    Column("result", Sealed("outcomes.result")),
    Column("model", String(200)),
    Column("calls", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("usd_nanos", BigInteger),  # billionths of a dollar; NULL where the price is not known
    Column(
        "content_key", LargeBinary(20)
    ),  # digest of recipe and content, keyed where there are keys; NULL where not reusable
    Column("reused", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("recorded_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

Index(
    "outcomes_by_content",
    outcomes.c.content_key,
    sqlite_where=outcomes.c.content_key.isnot(None),
    postgresql_where=outcomes.c.content_key.isnot(None),
)
Index(  # covers what progress sums up, so that a million outcomes are counted without reading their results
    "outcomes_progress",
    outcomes.c.batch,
    outcomes.c.status,
    outcomes.c.cause,
    outcomes.c.reused,
    outcomes.c.calls,
    outcomes.c.input_tokens,
    outcomes.c.output_tokens,
    outcomes.c.usd_nanos,
)

Index(  # the documents of one status or cause, in the order of the source
    "outcomes_by_status", outcomes.c.batch, outcomes.c.status, outcomes.c.cause, outcomes.c.position
)

batch_series = Table(  # how a batch went: sums over the outcomes that were recorded in a step of time, by their latency
    "batch_series",
    metadata,
    Column("batch", Integer, primary_key=True, autoincrement=False),
    Column("moment", BigInteger, primary_key=True, autoincrement=False),  # when the step began, seconds since the epoch
    Column("latency", Integer, primary_key=True, autoincrement=False),  # a bin of ledger.series
    Column("documents", Integer, nullable=False),
    Column("failed", Integer, nullable=False),  # of them
    Column("calls", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("usd_nanos", BigInteger, nullable=False),
    Column("unpriced", Integer, nullable=False),  # documents whose price is not known
    sqlite_with_rowid=False,
)

calls = Table(  # completed model calls of documents that have no outcome yet: never made again
    "calls",
    metadata,
    Column("batch", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("call_key", String(64), primary_key=True),
    Column("answer", Sealed("calls.answer"), nullable=False),  # JSON
    sqlite_with_rowid=False,
)

effects = Table(  # one row for each call of a model or a tool that an agent has made
    "effects",
    metadata,
    Column("effect_key", String(40), primary_key=True),
    Column("workflow_id", String(1000), nullable=False),
    Column("activity_id", String(200), nullable=False),
    Column("kind", String(16), nullable=False),  # model, tool, or other
    Column("name", String(200), nullable=False),
    Column("state", String(8), nullable=False),  # one of effects.EffectState
    Column("policy", String(16)),  # one of effects.declaring.Policy; NULL for calls that were not declared
    Column("attempts", Integer, nullable=False),  # begun, deaths of a worker included
    Column("failures", Integer, nullable=False),  # … of them, ended with an error
    Column("owner", String(200)),  # worker that makes the call, or made it last
    Column("lease_until", Float),  # before that no other may make it; NULL where the policy needs no lease
    Column("arguments", SealedPayload),  # of a declared effect, as a Temporal payload; large ones by reference
    Column("result", SealedPayload),  # the activity's result as a Temporal payload; large ones by reference
    Column("error", Sealed("effects.error")),  # of the last attempt that failed
    Column("facts", Text),  # JSON: what is known of the call: model, tokens, price
    Column("settled", Sealed("effects.settled")),  # JSON of ledger.effects.Settlement: what a person decided about it
    Column("begun_at", Float, nullable=False),  # the first attempt, seconds since the epoch
    Column("ended_at", Float),
    sqlite_with_rowid=False,
)

answers = Table(  # what the turns of runs ended with, whole: their event shows long ones shortened
    "answers",
    metadata,
    Column("workflow_id", String(1000), primary_key=True),
    Column("turn", Integer, primary_key=True, autoincrement=False),
    Column("answer", Sealed("answers.answer"), nullable=False),  # JSON of the agent's output type
    Column("recorded_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

namespaces = Table(  # whose runs are recorded here: more than one, and nobody can tell what is still needed
    "namespaces",
    metadata,
    Column("namespace_id", String(64), primary_key=True),
    Column("place", Text, nullable=False),  # what a person calls it
    Column("noted_at", Float, nullable=False),
)

Index("effects_by_workflow", effects.c.workflow_id)

hand_offs = Table(  # what waited, or waits, for a person: the list and the record; the workflow takes the decisions
    "hand_offs",
    metadata,
    Column("workflow_id", String(1000), primary_key=True),
    Column("hand_off_id", String(200), primary_key=True),
    Column("agent", String(200), nullable=False),
    Column("kind", String(16), nullable=False),  # one of contracts.agents.HandOffKind
    Column("subject", String(200), nullable=False),  # empty where it is encrypted, in the next column
    Column("sealed_subject", Sealed("hand_offs.sealed_subject")),
    Column("reason", Sealed("hand_offs.reason"), nullable=False),
    Column("choices", Sealed("hand_offs.choices"), nullable=False),  # JSON list
    Column("about", SealedPayload),  # what is needed to decide, as a Temporal payload; large ones by reference
    Column("state", String(8), nullable=False),  # one of hand_offs.HandOffState
    Column("opened_at", Float, nullable=False),  # seconds since the epoch
    Column("reminders", Integer, nullable=False),
    Column("reminded_at", Float),
    Column("escalated_to", String(200)),
    Column("escalated_at", Float),
    Column("claimed_by", String(200)),
    Column("claimed_at", Float),
    Column("choice", String(32)),
    Column("value", SealedPayload),  # what went with the choice, as a Temporal payload
    Column("decided_by", String(200)),
    Column("decided_at", Float),
    Column("decision_id", String(64)),  # makes sending a decision twice the same as sending it once
    Column("note", Sealed("hand_offs.note")),
    sqlite_with_rowid=False,
)

Index("hand_offs_by_state", hand_offs.c.state, hand_offs.c.opened_at)
Index("hand_offs_by_id", hand_offs.c.hand_off_id)

approval_rules = Table(  # "approve this kind from now on"
    "approval_rules",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("agent", String(200), nullable=False),
    Column("tool", String(200), nullable=False),
    Column("conditions", Sealed("approval_rules.conditions"), nullable=False),  # JSON list of approval_rules.Condition
    Column("made_by", String(200), nullable=False),
    Column("made_at", Float, nullable=False),
    Column("revoked_by", String(200)),
    Column("revoked_at", Float),
)

used_links = Table(  # one-time links to decisions that were redeemed
    "used_links",
    metadata,
    Column("link_id", String(64), primary_key=True),
    Column("used_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

budgets = Table(  # what may be spent, what is, and what calls in flight may come to; amounts in billionths of a dollar
    "budgets",
    metadata,
    Column("key", String(1100), primary_key=True),
    Column("usd_nanos", BigInteger),  # the caps; NULL where there is none
    Column("tokens", BigInteger),
    Column("calls", BigInteger),
    Column("spent_usd_nanos", BigInteger, nullable=False),
    Column("spent_tokens", BigInteger, nullable=False),
    Column("spent_calls", BigInteger, nullable=False),
    Column("held_usd_nanos", BigInteger, nullable=False),  # reserved for calls in flight
    Column("held_tokens", BigInteger, nullable=False),
    Column("held_calls", BigInteger, nullable=False),
    Column("doubtful_usd_nanos", BigInteger, nullable=False),  # … for calls that may have been billed: never known
    Column("doubtful_tokens", BigInteger, nullable=False),
    Column("doubtful_calls", BigInteger, nullable=False),
    Column("unpriced_calls", BigInteger, nullable=False),  # of spent_calls, those whose price nobody knows
    Column("unknown_prices", String(16), nullable=False),
    Column("version", Integer, nullable=False),  # counts the changes of the caps
    Column("declared", Text),  # the caps as the app's code has them; they are taken up again when that changes
    sqlite_with_rowid=False,
)

budget_changes = Table(  # who changed the caps of a budget, and when
    "budget_changes",
    metadata,
    Column("key", String(1100), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("caps", Text, nullable=False),  # JSON
    Column("changed_by", String(200), nullable=False),
    Column("changed_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

reservations = Table(  # one row for each call in flight that a budget pays for, and for each whose end is not known
    "reservations",
    metadata,
    Column("hold_id", String(40), primary_key=True),
    Column("effect_key", String(300), nullable=False),  # the call: the same on every attempt
    Column("workflow_id", String(1000), nullable=False),
    Column("budgets", Text, nullable=False),  # JSON list of keys
    Column("usd_nanos", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),  # held, or doubtful
    Column("owner", String(200), nullable=False),  # the worker process
    Column("begun_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

Index("reservations_by_effect", reservations.c.effect_key)
Index("reservations_by_age", reservations.c.state, reservations.c.begun_at)

budget_waits = Table(  # workflows that wait for a budget to be raised, so that whoever raises it need not know them
    "budget_waits",
    metadata,
    Column("key", String(1100), primary_key=True),
    Column("workflow_id", String(1000), primary_key=True),
    Column("version", Integer, nullable=False),  # of the budget, when it did not pay
    Column("since", Float, nullable=False),
    Column("told_at", Float),  # when a worker last told the workflow of a change
    sqlite_with_rowid=False,
)

spending = Table(  # totals by day, which outlive the rows that they are made of
    "spending",
    metadata,
    Column("day", String(10), primary_key=True),  # UTC
    Column("subject", String(300), primary_key=True),  # agent/NAME or batch/ID
    Column("model", String(200), primary_key=True),
    Column("tenant", String(200), primary_key=True),  # empty where there is none
    Column("calls", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("usd_nanos", BigInteger, nullable=False),
    Column("unpriced_calls", BigInteger, nullable=False),  # of calls, those whose price nobody knows
    sqlite_with_rowid=False,
)

rates = Table(  # how far ahead workers have taken what may be asked of a model; see ledger.rates
    "rates",
    metadata,
    Column("key", String(300), primary_key=True),
    Column("free_at", Float, nullable=False),  # seconds since the epoch, by the database's clock
    sqlite_with_rowid=False,
)
