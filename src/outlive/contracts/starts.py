"""What is to be started, as data: what a schedule holds, and what a program sends that has no code of the app."""

from dataclasses import dataclass, field
from typing import Any

from outlive.contracts.batches import ReadingOptions


@dataclass(frozen=True, kw_only=True)
class AgentStart:
    """A run of an agent.

    Attributes:
        prompt: Text, or a list of Pydantic AI user content as JSON.
        deps: JSON of the agent's ``deps_type``.
        model: In place of the agent's own.
        budget: As `Budget.parse` reads it; empty for the agent's own.
        tenant: On whose behalf it spends; empty for nobody's.
    """

    agent: str
    prompt: Any
    deps: Any = None
    model: str | None = None
    budget: str = ""
    tenant: str = ""


@dataclass(frozen=True, kw_only=True)
class PlanStart:
    """A run of a plan.

    Attributes:
        input: JSON of the plan's input type.
        shadow: Whether effects are only recorded.
    """

    plan: str
    input: Any = None
    shadow: bool = False


@dataclass(frozen=True, kw_only=True)
class BatchStart:
    """A batch.

    Attributes:
        function: Name of a batch function of the app.
        source: What `open_source` takes; it is read where the batch is started.
        query: SQL that gives the documents, where the source is a database.
        key: The column that names a row of it.
        model: None takes the function's own, else what the settings say where it is started.
        concurrency: None takes the function's own.
        budget: As `Budget.parse` reads it; empty for none.
        tenant: On whose behalf it spends; empty for nobody's.
    """

    function: str
    source: str
    column: str | None = None
    text_column: str | None = None
    query: str | None = None
    key: str | None = None
    model: str | None = None
    instruction: str | None = None
    output_schema: dict[str, Any] | None = None
    concurrency: int | None = None
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    long_documents: str = "split"
    fresh: bool = False
    budget: str = ""
    tenant: str = ""


@dataclass(frozen=True, kw_only=True)
class ScheduledStart:
    """Argument of the workflow that a schedule starts: one of the three."""

    agent: AgentStart | None = None
    plan: PlanStart | None = None
    batch: BatchStart | None = None

    @classmethod
    def of(cls, start: "AgentStart | PlanStart | BatchStart") -> "ScheduledStart":
        """Return the argument for a start."""
        if isinstance(start, AgentStart):
            return cls(agent=start)
        return cls(plan=start) if isinstance(start, PlanStart) else cls(batch=start)

    @property
    def start(self) -> "AgentStart | PlanStart | BatchStart":
        """What is to be started."""
        found = self.agent or self.plan or self.batch
        if found is None:
            msg = "A scheduled start names neither an agent, a plan nor a batch function."
            raise ValueError(msg)
        return found


@dataclass(frozen=True, kw_only=True)
class StartToPrepare:
    """Argument of the activity that prepares a scheduled start.

    Attributes:
        run_id: What the run is to be called: the schedule's id and the time.
    """

    start: ScheduledStart
    run_id: str


@dataclass(frozen=True, kw_only=True)
class PreparedStart:
    """What is to be started as a child of the workflow that a schedule has started.

    Attributes:
        argument: JSON of the workflow's argument.
        request: What tells this request from another under the same id; empty for a batch, whose ledger knows.
        summary: One line for a person.
        priority_key: Of the tenant: 1 for the first to 5 for the last; None for the default.
        fairness_key: Names the tenant; empty for nobody.
    """

    workflow: str
    workflow_id: str
    argument: Any
    request: str = ""
    summary: str = ""
    priority_key: int | None = None
    fairness_key: str = ""


@dataclass(frozen=True, kw_only=True)
class ScheduledOutcome:
    """Result of the workflow that a schedule starts.

    Attributes:
        workflow_id: Of the run; what it ended with is there.
    """

    workflow_id: str
