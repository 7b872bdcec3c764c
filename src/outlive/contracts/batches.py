"""What the batch workflow, its activities and its callers say to each other."""

from dataclasses import dataclass, field
from typing import Any

from outlive.contracts.agents import DecisionTaken


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How the documents of a batch are read.

    Attributes:
        extract: ``page`` keeps all visible text of an HTML page, ``article`` only its main text.
        allow_private_addresses: Whether URLs may lead to private, loopback or link-local addresses.
        max_bytes: Largest document that is read, in bytes after decompression.
        timeout_seconds: Longest time for one attempt at one document, redirects included.
        attempts: How often a document is asked for when the server answers 429 or 5xx or does not answer.
        connections_per_host: How many requests one worker process has in flight to one host.
        delay_seconds: Pause between two requests of one worker process to one host.
    """

    extract: str = "page"
    allow_private_addresses: bool = False
    max_bytes: int = 20_000_000
    timeout_seconds: float = 60.0
    attempts: int = 4
    connections_per_host: int = 8
    delay_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class BatchSpec:
    """What a batch is: kept in the ledger, the same for as long as the batch lives.

    Attributes:
        function: Name of the batch function in the registry.
        model: Pydantic AI model name, or ``offline:extractive``.
        instruction: What to do with each document; None takes the function's own.
        output_schema: JSON schema of the answer; None takes the function's return type, or plain text.
        source: The source as the user named it, for people.
        long_documents: ``split`` works a text longer than the model's context through in parts, ``refuse`` records it.
        fresh: True answers every document anew, though an earlier batch has the same answer.
        reuse_from: With ``fresh``, the one batch whose answers may still be used: this batch's own sample.
        tenant: On whose behalf it spends; empty for nobody's.
        machine: Name of the machine whose files local paths in the source mean; empty where nobody said.
        recipe: Digest of all that decides an answer besides the document: function, instruction, model, schema.
    """

    batch_id: str
    function: str
    model: str
    instruction: str | None = None
    output_schema: dict[str, Any] | None = None
    source: str = ""
    concurrency: int = 64
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    long_documents: str = "split"
    fresh: bool = False
    reuse_from: str | None = None
    recipe: str = ""
    tenant: str = ""
    machine: str = ""


@dataclass(frozen=True, kw_only=True)
class BatchInput:
    """Argument of the batch workflow: constant in size, whatever the number of documents.

    Attributes:
        document_count: Entries of the source; window N holds positions N*window_size and up.
        windows_in_flight: Over how many windows the batch's concurrency is spread.
        windows_per_run: How many windows one workflow run begins before it continues as new.
        next_window: The first window that this run begins with.
        paused: Whether no window is to be begun.
        pause_reason: Why, where the batch paused itself.
        heartbeat_timeout_seconds: Silence after which a window's worker is taken for dead; None takes the policy's.
        waits_for: Key of the budget that it is paused for.
        heard: Latest version of each budget that it has heard of.
        decided: The last decisions that people have made for it.
    """

    batch_id: str
    document_count: int
    window_size: int
    windows_in_flight: int
    windows_per_run: int = 150
    next_window: int = 0
    paused: bool = False
    pause_reason: str | None = None
    heartbeat_timeout_seconds: float | None = None
    waits_for: str | None = None
    heard: dict[str, int] = field(default_factory=dict)
    decided: list[DecisionTaken] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class WindowInput:
    """Argument of the activity that works through one window.

    Attributes:
        start: First position.
        stop: Position after the last.
        windows_in_flight: Over how many windows the batch's concurrency is spread.
    """

    batch_id: str
    start: int
    stop: int
    windows_in_flight: int


@dataclass(frozen=True, kw_only=True)
class WindowReport:
    """What a window tells the workflow: never a document.

    Attributes:
        recorded: Outcomes that this attempt recorded.
        missing: Documents of the window that still have no outcome.
        halted: Why the batch has to pause, where it has to.
        budget: Key of the budget that does not pay, where that is why.
        budget_version: Its version then.
        about: What is known of it, for whoever decides.
    """

    recorded: int = 0
    missing: int = 0
    halted: str | None = None
    budget: str | None = None
    budget_version: int = -1
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MissingDocuments:
    """Documents that have no outcome.

    Attributes:
        first: Position of the first of them; 0 where none is missing.
    """

    count: int = 0
    first: int = 0


@dataclass(frozen=True, kw_only=True)
class BatchMark:
    """Where a batch stands, for the ledger.

    Attributes:
        is_beginning: Whether it was begun just now, and does not go on after a pause.
    """

    batch_id: str
    state: str
    reason: str | None = None
    is_beginning: bool = False


@dataclass(frozen=True, kw_only=True)
class BatchSummary:
    """Result of the batch workflow: the outcomes are in the ledger."""

    batch_id: str
