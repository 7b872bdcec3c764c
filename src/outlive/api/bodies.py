"""What callers of the API send."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from outlive.contracts.notifications import Kafka, Occurrence, Target, Webhook
from outlive.errors import AppError, UsageError

LONGEST_ID = 200
MOST_ROWS = 2**31 - 1  # what a key of the ledger may be on PostgreSQL
MOST_DOCUMENTS = 100_000  # in one request; the limit on the body's size is usually met before


def _not_dots(name: str) -> str:
    if name in {".", ".."}:
        raise ValueError("no address can hold `.` or `..`")
    return name


Id = Annotated[
    str,
    AfterValidator(_not_dots),
    Field(
        min_length=1,
        max_length=LONGEST_ID,
        pattern=r"^[^\s/\x00-\x1f\x7f][^/\x00-\x1f\x7f]*$",
        description="Your id, without a slash. The same id with the same request is the same run.",
        examples=["order-4711"],
    ),
]
Who = Annotated[
    str | None,
    Field(
        default=None,
        max_length=200,
        description="Who decides, as they call themselves; of a session it is the name that was signed in with.",
    ),
]
Spend = Annotated[
    str, Field(default="", max_length=200, description="The most that it may spend: `0.50usd`, `25usd,100calls`.")
]

Caps = Annotated[str, Field(min_length=1, max_length=200, description="The most that it may spend: `25usd,100calls`.")]


class Body(BaseModel):
    """A body. Fields that are not known are refused: a mistyped one would be left out in silence."""

    model_config = ConfigDict(extra="forbid")


class WebhookBody(Body):
    """A URL to which events are posted."""

    url: str = Field(max_length=2_000, description="An http or https address, without user and password.")
    secret: str | None = Field(
        default=None,
        max_length=200,
        description="Where the workers find the signing secret: `env:NAME`. Without one it is sent unsigned.",
    )
    events: list[Occurrence] = Field(default_factory=list, description="Only these; left out, all.")


class KafkaBody(Body):
    """A topic, of the brokers that the workers know, to which events are written."""

    topic: str = Field(min_length=1, max_length=249)
    key: str = Field(default="", max_length=200, description="A key in place of the workflow id.")
    events: list[Occurrence] = Field(default_factory=list, description="Only these; left out, all.")


Told = Annotated[
    list[WebhookBody | KafkaBody],
    Field(max_length=10, description="Who is told of it, besides those whom the app tells."),
]


def told_of(bodies: Sequence[WebhookBody | KafkaBody]) -> list[Target]:
    """Return the targets that a caller names.

    Raises:
        UsageError: If one cannot be used.
    """
    try:
        return [
            Webhook(one.url, secret=one.secret, events=one.events)
            if isinstance(one, WebhookBody)
            else Kafka(one.topic, key=one.key, events=one.events)
            for one in bodies
        ]
    except AppError as error:
        raise UsageError(str(error)) from error


class AgentRunBody(Body):
    """Start a run of an agent, or open a conversation with it."""

    id: Id | None = None
    prompt: str | list[Any] | None = Field(
        default=None, description="What it is asked: text, or a list of Pydantic AI user content."
    )
    conversation: bool = Field(
        default=False, description="Whether it waits for further messages after each turn. `prompt` may be left out."
    )
    deps: Any = Field(default=None, description="JSON of the agent's `deps_type`.")
    model: str | None = Field(default=None, description="Model in place of the agent's own.")
    budget: Spend
    tenant: str = Field(default="", max_length=200, description="On whose behalf it spends.")
    notify: Told = Field(default_factory=list)


class PlanRunBody(Body):
    """Start a run of a plan."""

    id: Id | None = None
    input: Any = Field(default=None, description="JSON of the plan's input type.")
    shadow: bool = Field(default=False, description="Rehearse it: effects are recorded, and not made.")
    notify: Told = Field(default_factory=list)


class DocumentBody(Body):
    """A document of a batch."""

    uri: str | None = Field(default=None, max_length=10_000, description="Its http or https address.")
    text: str | None = Field(default=None, description="The text itself; `uri` is then its name, or left out.")
    fields: dict[str, Any] = Field(
        default_factory=dict, description="What goes with it, and comes back in the results."
    )


class BatchBody(Body):
    """Start a batch."""

    id: Id | None = Field(default=None, description="Without one it is made from documents and recipe.")
    function: str = Field(description="A batch function of the app; `outlive.analyze` is always there.")
    documents: list[DocumentBody] | None = Field(default=None, min_length=1, max_length=MOST_DOCUMENTS)
    source: str | None = Field(
        default=None,
        max_length=10_000,
        description="In place of documents: a URL, or a file, folder or glob inside of OUTLIVE_API_SOURCES.",
    )
    column: str | None = Field(default=None, description="Column or field of the source with URLs or paths.")
    text_column: str | None = Field(default=None, description="Column or field of the source with the text itself.")
    model: str | None = None
    instruction: str | None = Field(default=None, description="In place of the function's own.")
    output_schema: dict[str, Any] | None = Field(default=None, description="JSON schema of the answer.")
    concurrency: int | None = Field(default=None, ge=1, le=100_000, description="Documents in flight.")
    extract: Literal["page", "article"] = "page"
    long_documents: Literal["split", "refuse"] = "split"
    fresh: bool = Field(default=False, description="Answer every document anew, also where an answer exists.")
    budget: Spend
    tenant: str = Field(default="", max_length=200)
    notify: Told = Field(default_factory=list)


class MessageBody(Body):
    """Say something to a run."""

    content: str | list[Any] = Field(description="Text, or a list of Pydantic AI user content.")
    steer: bool = Field(default=False, description="Let it join the turn that is being worked on.")
    message_id: Id | None = Field(default=None, description="The same id again is the same message.")


class DecisionBody(Body):
    """Decide a hand-off."""

    choice: str = Field(max_length=100, description="One of its choices.")
    value: Any = Field(default=None, description="What goes with it: an answer, edited arguments, a higher cap.")
    by: Who
    note: str = Field(default="", max_length=10_000, description="The model reads why a call is denied.")
    force: bool = Field(default=False, description="Also where somebody else has claimed it.")
    decision_id: Id | None = Field(default=None, description="The same id again is the same decision.")


class ClaimBody(Body):
    """Take a hand-off on, or let go of it."""

    by: Who
    force: bool = False


class ConcurrencyBody(Body):
    """Change how many documents of a batch are in flight."""

    documents: int = Field(ge=1, le=100_000, description="Documents in flight over all workers.")


class BudgetBody(Body):
    """Set what a batch may spend."""

    budget: Caps
    by: Who


class RaiseBody(Body):
    """Raise a budget."""

    key: str = Field(min_length=1, max_length=1_100, description="As `GET /v1/budgets` has it.")
    budget: Caps
    by: Who


class RedeliverBody(Body):
    """Send events again."""

    numbers: list[Annotated[int, Field(ge=0, le=MOST_ROWS)]] | None = Field(
        default=None, max_length=1_000, description="Of deliveries; null for all that were given up."
    )


class SpeechBody(Body):
    """Say something in an agent's place."""

    text: str = Field(min_length=1, max_length=100_000)
    by: Who
    speech_id: Id | None = Field(default=None, description="The same id again is the same speech.")
