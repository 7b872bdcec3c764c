"""Every exception of Outlive, in one tree.

::

    OutliveError
    ├── UsageError                what was asked cannot be done as asked; nothing was started (CLI exit status 2)
    │   ├── SettingError          an unknown setting, or a value that it cannot take
    │   │   └── KeysInvalid       keys for encryption that cannot be read or used
    │   ├── AppError              MODULE:APP does not name an app, or the app is declared wrongly
    │   ├── SourceError           a source of documents that cannot be read at all
    │   ├── SinkError             results cannot be written where or as asked
    │   ├── ModelUnusable         an unknown model, a missing or refused key, a missing package
    │   ├── BatchError            an unknown batch id, or one that stands for another batch
    │   │   └── BatchUnknown      there is no such batch
    │   ├── BudgetError           an unknown budget, or amounts that cannot be used
    │   ├── RunError              an unknown run id, one that stands for another request, or a run that has ended
    │   │   ├── RunUnknown        there is no such run
    │   │   └── EntryUnknown      the run has no such entry or value
    │   ├── ScheduleError         an unknown schedule, one that is there already, or a time that cannot be read
    │   │   └── ScheduleUnknown   there is no such schedule
    │   ├── DeliveryError         an unknown delivery, or one that cannot be sent again
    │   ├── HandOffError          an unknown hand-off, or a decision that it does not take
    │   │   ├── AlreadyDecided    somebody else was quicker
    │   │   ├── HandOffClaimed    somebody else has claimed it
    │   │   ├── HandOffUnknown    there is no such hand-off
    │   │   └── LinkRefused       a one-time link that is used, expired or not ours
    │   └── AgentUndurable        a durable agent was called where it would not run durably
    ├── EffectNotDone             raised by a tool that knows that its effect did not happen
    ├── EffectFailed              raised in a plan: an effect has failed for good, or a person said that it failed
    ├── PlanFailed                raised by a plan that cannot go on: it ends, and may be undone
    ├── RunFailed                 a run has ended without a result: failed, cancelled or terminated
    ├── McpError
    │   ├── McpUnavailable        no session with an MCP server could be opened
    │   └── McpSessionLost        the session broke in mid-call; whether the call had its effect is not known
    ├── EngineError
    │   ├── EngineUnavailable     no Temporal cluster answered
    │   ├── EngineOwned           another process owns this project's `.outlive/`
    │   ├── EngineFailed          the engine did not start, or its file cannot be used
    │   └── DeploymentError       a version of an app's code that is unknown, or cannot become current
    ├── LedgerError               the ledger cannot be read or written
    ├── DeliveryFailed            an attempt to tell a receiver of an event did not succeed; it is tried again
    ├── HousekeepingAborted       it could not be told what is still needed; nothing was removed
    ├── HousekeepingBusy          another round of housekeeping is under way
    ├── EncryptionError
    │   ├── KeyMissing            a value is encrypted under a key that is not there
    │   └── SealBroken            a value is not what was encrypted, or not for this place
    ├── PayloadError              what is kept beside the histories cannot be stored or read
    │   ├── PayloadMissing        a history refers to something that the payload store does not have
    │   ├── PayloadTooLarge       a value is too large for any run to carry
    │   └── CollectionAborted     what runs still need could not be read whole; nothing was removed
    └── DocumentError             one document has no result; its cause and reason become its outcome
        └── CallError             … because of the model
            ├── CallRejected      the provider refuses this request: never tried again
            ├── AnswerInvalid     the answer does not fit the output type, or was cut short, after all attempts
            ├── ModelOverloaded   429, 5xx or no connection, still so after all attempts
            └── ModelHalted       every further call would fail the same way (key refused, quota exhausted):
                                  the batch pauses, the document keeps no outcome
                └── BudgetExhausted     a budget does not pay for the call: whoever makes it waits for a person

Attributes carry the values; messages say what happened and then what to do.
"""

import platform
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any


class OutliveError(Exception):
    """Base of every exception that Outlive raises on purpose."""


class UsageError(OutliveError):
    """What was asked cannot be done as asked; nothing was started and nothing lost."""


class SettingError(UsageError):
    """A setting that does not exist, or a value that it cannot take."""


class KeysInvalid(SettingError):
    """Keys for encryption that cannot be read or used. Messages hold ids, and never a part of a key."""


class AppError(UsageError):
    """A ``MODULE:APP`` that names no app, or an app that is declared wrongly."""


class SourceError(UsageError):
    """A source of documents that cannot be read at all: missing file, missing column, nothing in it."""


class SinkError(UsageError):
    """Results that cannot be written where or as asked."""


class ModelUnusable(UsageError):
    """A model that cannot be used at all: unknown name, missing key, key refused, missing package."""


class BatchError(UsageError):
    """A batch id that is unknown, or that already stands for a different batch."""


class BatchUnknown(BatchError):
    """There is no batch of this id."""


class BudgetError(UsageError):
    """A budget that is unknown, or amounts that cannot be used."""


class RunError(UsageError):
    """A run id that is unknown, stands for another request, or whose run has ended."""


class RunUnknown(RunError):
    """There is no run of this id."""


class EntryUnknown(RunError):
    """A run has no such entry, or no such value."""


class ScheduleError(UsageError):
    """A schedule that is unknown or there already, or a time that cannot be read."""


class ScheduleUnknown(ScheduleError):
    """There is no schedule of this id."""


class DeliveryError(UsageError):
    """A delivery that is unknown, or cannot be sent again."""


class HandOffError(UsageError):
    """A hand-off that is unknown, or a decision that it does not take."""


class AlreadyDecided(HandOffError):
    """A hand-off was decided before.

    Attributes:
        by: Who decided.
        choice: What was chosen.
    """

    def __init__(self, message: str, *, by: str = "", choice: str = "") -> None:
        super().__init__(message)
        self.by, self.choice = by, choice


class HandOffClaimed(HandOffError):
    """A hand-off that somebody else has claimed."""


class HandOffUnknown(HandOffError):
    """There is no hand-off of this id."""


class LinkRefused(HandOffError):
    """A one-time link that was used before, has expired, or was not made here."""


class AgentUndurable(UsageError):
    """A durable agent was called where it would not run durably."""


class EffectNotDone(OutliveError):
    """Raised by a tool that has failed and knows that its effect did not happen: it may be tried again.

    Any other exception of a tool with the policy ``once`` leaves the outcome unknown.
    """


class EffectFailed(OutliveError):
    """An effect of a plan has failed for good, or a person said that it failed; raised where the plan asked for it.

    Attributes:
        effect: Its name.
        effect_key: What the ledger knows it by; None where it never came that far.
    """

    def __init__(self, message: str, *, effect: str = "", effect_key: str | None = None) -> None:
        super().__init__(message)
        self.effect, self.effect_key = effect, effect_key


class PlanFailed(OutliveError):
    """Raised by the code of a plan that cannot go on: the plan ends with it, and what it did may be undone.

    Any other exception of a plan's own code is taken for a mistake in it, and waits until that is mended.
    """


class RunFailed(OutliveError):
    """A run has ended without a result.

    Attributes:
        status: Temporal's word for how it ended: ``FAILED``, ``CANCELED``, ``TERMINATED`` or ``TIMED_OUT``.
        cause_type: Class name of what went wrong, where something did.
    """

    def __init__(self, message: str, *, status: str, cause_type: str = "") -> None:
        super().__init__(message)
        self.status, self.cause_type = status, cause_type


class McpError(OutliveError):
    """Base of what can go wrong with an MCP server.

    Attributes:
        server: The id of its toolset, or what it is reached by.
    """

    def __init__(self, message: str, *, server: str) -> None:
        super().__init__(message)
        self.server = server


class McpUnavailable(McpError):
    """No session with an MCP server could be opened."""


class McpSessionLost(McpError):
    """The session with an MCP server broke in mid-call; whether the call had its effect is not known."""


class EngineError(OutliveError):
    """Base of what can go wrong with the Temporal engine or cluster."""


class EngineUnavailable(EngineError):
    """No Temporal cluster answered at the address that was tried."""


class EngineOwned(EngineError):
    """Another process owns this project's state folder."""


class EngineFailed(EngineError):
    """The engine's process did not start, or its file cannot be used."""


class DeploymentError(EngineError):
    """A version of an app's code that the cluster does not know, or does not let become current."""


class LedgerError(OutliveError):
    """The ledger cannot be read or written."""


class DeliveryFailed(OutliveError):
    """An attempt to tell a receiver of an event did not succeed.

    Attributes:
        retry_after: Seconds that the receiver asks to wait, where it does.
        is_final: Whether the receiver wants no other attempt.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, is_final: bool = False) -> None:
        super().__init__(message)
        self.retry_after, self.is_final = retry_after, is_final


class HousekeepingAborted(OutliveError):
    """It could not be told what is still needed, so that nothing was removed."""


class HousekeepingBusy(OutliveError):
    """Another round of housekeeping is under way in the same state folder."""


class EncryptionError(OutliveError):
    """What is encrypted cannot be read."""


class KeyMissing(EncryptionError):
    """A value is encrypted under the key ``key_id``, which is not among the ``known`` ones."""

    def __init__(self, key_id: str, known: Sequence[str]) -> None:
        super().__init__(key_id, tuple(known))
        self.key_id, self.known = key_id, tuple(known)

    def __str__(self) -> str:
        has = f"OUTLIVE_KEYS has only {', '.join(map(repr, self.known))}" if self.known else "OUTLIVE_KEYS is not set"
        return (
            f"A value is encrypted under the key {self.key_id!r}, and {has}. Add that key: without it the value cannot "
            "be read by anyone."
        )


class SealBroken(EncryptionError):
    """A value is not what was encrypted under the key ``key_id``, or was encrypted for another place."""

    def __init__(self, key_id: str) -> None:
        super().__init__(key_id)
        self.key_id = key_id

    def __str__(self) -> str:
        return (
            f"A value that names the key {self.key_id!r} cannot be decrypted: it was changed or moved, or OUTLIVE_KEYS "
            f"has other bytes under the id {self.key_id!r} than it was encrypted with. Look at the key first; if it is "
            "the right one, restore the value from a backup."
        )


class PayloadError(OutliveError):
    """What is kept beside the histories, because it is large, cannot be stored or read."""


class PayloadMissing(PayloadError):
    """A history refers to contents, by their ``digests``, that the payload store does not have."""

    def __init__(self, digests: Sequence[bytes], location: str) -> None:
        first = digests[0].hex()
        more = f" and {len(digests) - 1} more" if len(digests) > 1 else ""
        here = "" if "://" in location else f" of this machine ({platform.node()})"
        super().__init__(
            f"The payload store {location!r}{here} does not have {first!r}{more}: a run refers to contents that were "
            "stored elsewhere, removed or lost. Point OUTLIVE_HOME or OUTLIVE_PAYLOADS at the store that the run was "
            "started with, or restore it from a backup; the run then goes on."
        )
        self.digests = digests


class PayloadTooLarge(PayloadError):
    """A value is too large for any run to carry.

    Attributes:
        size: In bytes, as encoded.
        limit: The largest size that is taken, in bytes.
    """

    def __init__(self, what: str, *, size: int, limit: int) -> None:
        super().__init__(
            f"{what} has {size:,} bytes as encoded; at most {limit:,} can be carried. "
            "Write it to a file or an object store, and pass its address."
        )
        self.size, self.limit = size, limit


class CollectionAborted(PayloadError):
    """What runs still need could not be read whole, so that nothing was removed."""


class DocumentError(OutliveError):
    """One document has no result; the batch goes on.

    Attributes:
        cause: One of ``outlive.contracts.outcomes.Cause``, for grouping.
        reason: One sentence for a person, with the value that was at fault.
    """

    def __init__(self, cause: str, reason: str) -> None:
        super().__init__(f"{cause}: {reason}")
        self.cause, self.reason = cause, reason


class CallError(DocumentError):
    """A model call that gave no usable answer."""


class CallRejected(CallError):
    """The provider refuses this very request (400, 413, 422, content filter): never tried again."""


class AnswerInvalid(CallError):
    """The answer does not fit the output type, or was cut short, also after the repeats that are allowed."""


class ModelOverloaded(CallError):
    """The provider is overloaded or not reachable, still so after all attempts.

    Attributes:
        retry_after: How long the provider asked to wait, where it did.
    """

    def __init__(self, cause: str, reason: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(cause, reason)
        self.retry_after = retry_after


class ModelHalted(CallError):
    """Every further call would fail the same way: the key is refused or the quota exhausted."""


class BudgetExhausted(ModelHalted):
    """A budget does not pay for a call, which was therefore not made.

    Attributes:
        budget: Its key.
        version: Of the budget, counting its changes, when it was looked at.
        about: What a person needs to know to decide, JSON.
    """

    def __init__(self, reason: str, *, budget: str, version: int, about: Mapping[str, Any]) -> None:
        super().__init__("budget_exhausted", reason)
        self.budget, self.version, self.about = budget, version, dict(about)
