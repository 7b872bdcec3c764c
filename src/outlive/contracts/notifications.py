"""Who is told of a run, and of what: kept in the ledger, so a secret is named and never held."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from outlive.errors import AppError

SECRET_PREFIX = "env:"  # noqa: S105 - says where a secret is


class Occurrence(StrEnum):
    """What has happened to a run, a batch or a plan.

    Attributes:
        STARTED: It was begun; of a batch, also begun again after its end.
        PROGRESS: Of a batch how far it is, once a minute; of a conversation the answer to a turn.
        PAUSED: It does nothing until somebody resumes it, or gives it money.
        WAITING: A person is asked.
        RESUMED: It goes on after a pause or a question.
        COMPLETED: It has ended with a result.
        FAILED: It has ended without one.
        CANCELLED: It was cancelled.
    """

    STARTED = "started"
    PROGRESS = "progress"
    PAUSED = "paused"
    WAITING = "waiting"
    RESUMED = "resumed"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        """Whether nothing follows it."""
        return self in {Occurrence.COMPLETED, Occurrence.FAILED, Occurrence.CANCELLED}


@dataclass(frozen=True)
class Webhook:
    """A URL to which events are posted: CloudEvents 1.0 JSON, signed as Standard Webhooks has it.

    Attributes:
        url: An ``https`` or ``http`` URL without user and password.
        secret: Where the workers find the signing secret: ``env:NAME``, an environment variable with one
            ``whsec_...``, or several with spaces between while one replaces another. None sends unsigned.
        events: Which `Occurrence`s are told; empty for all.

    Raises:
        AppError: If the URL, the secret's name or an event cannot be used.
    """

    url: str
    secret: str | None
    events: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check what can be checked without the network; the secret itself may be known to workers only."""
        object.__setattr__(self, "events", _events(self.events))
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise AppError(f"{self.url!r} is no URL to post to. Give one that begins with https://.")
        if parts.username is not None:
            raise AppError(f"The URL for {parts.hostname!r} holds a user or password. Leave them out: `secret=` signs.")
        if self.secret is not None and not self.secret.removeprefix(SECRET_PREFIX).isidentifier():
            raise AppError("The secret of a webhook is named, never written: `secret='env:NAME'`.")
        if self.secret is not None and not self.secret.startswith(SECRET_PREFIX):
            raise AppError("The secret of a webhook is named, never written: `secret='env:NAME'`.")

    @property
    def address(self) -> str:
        """What lists show."""
        return self.url


@dataclass(frozen=True)
class Kafka:
    """A topic to which events are written: binary-mode CloudEvents, the key is the workflow id.

    Attributes:
        topic: Its name.
        bootstrap: ``host:port``, several with commas between; empty takes ``OUTLIVE_KAFKA_BOOTSTRAP``.
        key: A key in place of the workflow id. Events of one key keep their order.
        events: Which `Occurrence`s are told; empty for all.

    Raises:
        AppError: If topic or events cannot be used.
    """

    topic: str
    bootstrap: str = ""
    key: str = ""
    events: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check what can be checked without the network."""
        object.__setattr__(self, "events", _events(self.events))
        if not self.topic or not self.topic.replace("-", "_").replace(".", "_").isascii() or len(self.topic) > 249:
            raise AppError(f"{self.topic!r} is no name of a Kafka topic.")

    @property
    def address(self) -> str:
        """What lists show."""
        return f"kafka:{self.topic}"


Target = Webhook | Kafka
Notify = Target | Iterable[Target] | None
"""What ``notify=`` takes."""

_KINDS: dict[str, type[Webhook] | type[Kafka]] = {"webhook": Webhook, "kafka": Kafka}


def targets_of(notify: Notify) -> list[Target]:
    """Return the targets that a ``notify=`` names: none, one or several.

    Raises:
        AppError: If one is neither `Webhook` nor `Kafka`.
    """
    found = [] if notify is None else [notify] if isinstance(notify, Webhook | Kafka) else list(notify)
    for target in found:
        if not isinstance(target, Webhook | Kafka):
            raise AppError(f"`notify=` takes Webhook(...) and Kafka(...), and not {type(target).__name__!r}.")
    return found


def written(target: Target) -> str:
    """Return a target as the ledger keeps it: JSON."""
    kind = next(name for name, known in _KINDS.items() if isinstance(target, known))
    return json.dumps({"kind": kind, **asdict(target)}, sort_keys=True)


def read(text: str) -> Target:
    """Return the target that `written` wrote."""
    fields = json.loads(text)
    return _KINDS[fields.pop("kind")](**fields)


def target_id(target: Target) -> str:
    """Return what names a target in the ledger: the same receiver with the same options is the same target."""
    return hashlib.sha256(written(target).encode()).hexdigest()[:16]


def wants(target: Target, occurrence: Occurrence) -> bool:
    """Return whether a target is told of an occurrence."""
    return not target.events or occurrence in target.events


def _events(events: Sequence[str]) -> tuple[str, ...]:
    named = (events,) if isinstance(events, str) else tuple(events)
    unknown = [event for event in named if event not in set(Occurrence)]
    if unknown:
        raise AppError(f"Unknown event {unknown[0]!r}. There are: {', '.join(Occurrence)}.")
    return tuple(sorted({str(event) for event in named}))
