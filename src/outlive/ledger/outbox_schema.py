"""The tables of the outbox: who is told, and what is still to be told."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table, UniqueConstraint

from outlive.encryption.columns import Sealed
from outlive.ledger.schema import metadata

targets = Table(  # who is told; the secret is only named
    "notify_targets",
    metadata,
    Column("target_id", String(16), primary_key=True),  # digest of the next
    Column(
        "target", Sealed("notify_targets.target"), nullable=False
    ),  # JSON of contracts.notifications.Webhook or Kafka
)

subscriptions = Table(  # whose runs are told to whom
    "notify_subscriptions",
    metadata,
    Column("workflow_id", String(1000), primary_key=True),
    Column("target_id", String(16), primary_key=True),
    Column("is_conversation", Integer, nullable=False),  # … of which each answer is told
    Column("since", Float, nullable=False),  # seconds since the epoch
    Column("ended_at", Float),  # once its end is in the outbox
    Column("last_progress_at", Float),  # of a batch
    sqlite_with_rowid=False,
)

Index("notify_subscriptions_open", subscriptions.c.ended_at, subscriptions.c.since)

deliveries = Table(  # one row for each event and target; `number` is the order
    "notify_deliveries",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("event_id", String(32), nullable=False),
    Column("target_id", String(16), nullable=False),
    Column("workflow_id", String(1000), nullable=False),
    Column("occurrence", String(16), nullable=False),  # one of contracts.notifications.Occurrence
    Column("body", Sealed("notify_deliveries.body"), nullable=False),  # the CloudEvent, JSON
    Column("state", String(10), nullable=False),  # one of outbox.DeliveryState
    Column("attempts", Integer, nullable=False),
    Column("next_at", Float, nullable=False),  # not to be sent before
    Column("lease_until", Float, nullable=False),  # a worker has it in hand until then
    Column("owner", String(64), nullable=False),  # … which
    Column("error", Sealed("notify_deliveries.error")),  # of the last attempt
    Column("created_at", Float, nullable=False),
    Column("given_up_at", Float, nullable=False),  # a failure after this parks it
    Column("ended_at", Float),  # delivered, or parked
    UniqueConstraint("event_id", "target_id"),
)

Index("notify_deliveries_due", deliveries.c.state, deliveries.c.next_at, deliveries.c.target_id)
Index(  # so that a look costs the same, however much waits for a target
    "notify_deliveries_next",
    deliveries.c.target_id,
    deliveries.c.state,
    deliveries.c.next_at,
    deliveries.c.number,
)
Index("notify_deliveries_order", deliveries.c.target_id, deliveries.c.workflow_id, deliveries.c.state)

turns = Table(  # which worker looks after what one is to look after
    "notify_turns",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("until", Float, nullable=False),
    sqlite_with_rowid=False,
)
