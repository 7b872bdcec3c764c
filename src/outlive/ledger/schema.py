"""The tables of the ledger: what each column holds, and why it is there.

What is added here is added to the ledgers that exist when they are opened (`outlive.ledger.tables`), while older code
may be at work on them. So a column that is new in a table which exists is nullable or has a ``server_default``, a new
index of such a table is not unique, and nothing is renamed, retyped or removed.
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
    Column("spec", Text, nullable=False),  # JSON of contracts.batches.BatchSpec
    Column("recipe", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # one of records.BatchState
    Column("state_reason", Text),
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
    Column("uri", Text, nullable=False),
    Column("uri_key", LargeBinary(16), nullable=False),  # digest of the normalised address, or of an inline text
    Column("text", Text),  # the text itself, where the source holds it
    Column("fields", Text),  # JSON object: the other columns of the source
    Column("cause", String(32)),  # set where the source's own row is at fault …
    Column("reason", Text),  # … with the reason
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
    Column("reason", Text),
    Column("result", Text),
    Column("model", String(200)),
    Column("calls", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("usd_nanos", BigInteger),  # billionths of a dollar; NULL where the price is not known
    Column("content_key", LargeBinary(20)),  # digest of recipe and content, for reuse; NULL where not reusable
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

calls = Table(  # completed model calls of documents that have no outcome yet: never made again
    "calls",
    metadata,
    Column("batch", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("call_key", String(64), primary_key=True),
    Column("answer", Text, nullable=False),  # JSON
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
    Column("arguments", LargeBinary),  # of a declared effect, as a Temporal payload; large ones by reference
    Column("result", LargeBinary),  # the activity's result as a Temporal payload; large ones by reference
    Column("error", Text),  # of the last attempt that failed
    Column("facts", Text),  # JSON: what is known of the call: model, tokens, price
    Column("settled", Text),  # JSON of ledger.effects.Settlement: what a person decided about it
    Column("begun_at", Float, nullable=False),  # the first attempt, seconds since the epoch
    Column("ended_at", Float),
    sqlite_with_rowid=False,
)

answers = Table(  # what the turns of runs ended with, whole: their event shows long ones shortened
    "answers",
    metadata,
    Column("workflow_id", String(1000), primary_key=True),
    Column("turn", Integer, primary_key=True, autoincrement=False),
    Column("answer", Text, nullable=False),  # JSON of the agent's output type
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
