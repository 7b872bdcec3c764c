"""What Temporal is told of a call that was not made, or that has failed: whether it is made again, and when."""

import time
from datetime import timedelta

from httpx2 import TransportError
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelTimeoutError,
    UnexpectedModelBehavior,
    UserError,
)
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from outlive.agents.services import services
from outlive.errors import ModelUnusable, OutliveError
from outlive.ledger.effects import Claimed, Standing
from outlive.names import EFFECT_HELD, EFFECT_REFUSED, OUTCOME_UNKNOWN
from outlive.worker.subjects import Subject

UNFIT_ANSWER = "UnexpectedModelBehavior"
UNFIT_ATTEMPTS = 3  # a server that sends garbage may do better the next time; one that always does is no outage
LONGEST_PAUSE = 30.0  # seconds between two attempts at a call that fails
LONGEST_WAIT = 2.0  # seconds until it is looked again whether another worker still holds a call
REFUSED = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422})


def outcome_unknown(key: str, why: str) -> ApplicationError:
    """Return what lets the workflow ask a person whether an effect has happened."""
    return ApplicationError(
        why.partition("\n")[0],
        {"effect_key": key},
        type=OUTCOME_UNKNOWN,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )


def refuse_unless_to_be_made(claimed: Claimed) -> None:
    """Raise what Temporal is told of an effect that this worker is not to make."""
    record = claimed.record
    match claimed.standing:
        case Standing.HELD:
            rest = max(0.0, (record.lease_until or 0.0) - time.time())
            raise ApplicationError(
                "Another worker may still be making this call; it is waited for.",
                type=EFFECT_HELD,
                next_retry_delay=timedelta(seconds=min(rest, LONGEST_WAIT) + 0.1),
                category=ApplicationErrorCategory.BENIGN,
            )
        case Standing.UNKNOWN:
            raise outcome_unknown(record.effect_key, record.error or "its worker died while the call was in flight")
        case Standing.REFUSED:
            by = record.settled.by if record.settled else ""
            raise ApplicationError(
                f"It failed, as {by or 'a person'} decided.", type=EFFECT_REFUSED, non_retryable=True
            )


def verdict_on(
    error: Exception, said: str, failures: int, subject: Subject, key: str, *, is_unfit: bool
) -> ApplicationError:
    """Return what Temporal is told of a failure: whether the call is made again, and when.

    Args:
        failures: How often the call has failed in this way, answers that make no sense being one and all else another.
    """
    policy = activity.info().retry_policy
    final_types = (policy.non_retryable_error_types if policy else None) or []
    kind = kind_of(error)
    is_final = kind in final_types or (isinstance(error, ApplicationError) and error.non_retryable)
    is_final = is_final or _is_refused(error)
    if is_unfit:
        said, kind, is_final = _unfit(kind, said, failures), UNFIT_ANSWER, failures >= UNFIT_ATTEMPTS
    elif kind == ModelUnusable.__name__ or (subject.treatment and failures >= subject.treatment.attempts):
        is_final = True
    asked = error.next_retry_delay if isinstance(error, ApplicationError) else None
    pause = asked or timedelta(seconds=min(LONGEST_PAUSE, 2.0 ** min(failures - 1, 10)))
    details = error.details if isinstance(error, ApplicationError) and not is_unfit else ()
    if subject.acts:
        details = (*details, {"effect_key": key})
    reported = f"{kind} " if kind == UNFIT_ANSWER and not is_final else kind  # Temporal stops at the name alone
    return ApplicationError(
        said or kind,
        *details,
        type=reported,
        non_retryable=is_final,
        next_retry_delay=None if is_final else pause,
        category=ApplicationErrorCategory.BENIGN,  # it is in the ledger and in the run's trace: not in the log as well
    )


def words_of(error: Exception) -> str:
    """Return an error's own words; of a connection that failed also why, which SDKs keep to its causes."""
    said, cause = str(error), error.__cause__ if isinstance(error, ApplicationError) else error
    if not isinstance(cause, ModelConnectionError) or isinstance(cause, ModelTimeoutError):
        return said
    while cause.__cause__ is not None and not isinstance(cause, TransportError):
        cause = cause.__cause__
    why = str(cause)
    return said if not why or why in said else f"{said.rstrip('.')}: {why}"


def silence(limit: float | None) -> str:
    """Return what is said of an attempt that ended without a word: its time was up."""
    offered = services()
    seconds = limit if limit is not None else offered.settings.model_timeout if offered else None
    return "it ended without a word" if seconds is None else f"no answer within {seconds:g} s"


def is_unfit_answer(error: Exception) -> bool:
    """Whether an answer made no sense: reading it failed with what no provider and no connection fails with.

    Pydantic AI has no error of its own for a stream of what is no JSON, or that ends without its end: it raises the
    bare `ModelAPIError`, from a decoder's error or from none. From an SDK's error it is the provider's own failure.
    """
    cause = error.__cause__ if isinstance(error, ApplicationError) else error
    if isinstance(cause, UnexpectedModelBehavior) or kind_of(error) == UNFIT_ANSWER:
        return True
    if type(cause) is ModelAPIError:
        return isinstance(cause.__cause__, ValueError | None)
    return not isinstance(cause, AgentRunError | OutliveError | OSError | TimeoutError | UserError | None)


def _unfit(kind: str, said: str, times: int) -> str:
    so_often = "once" if times == 1 else f"{times} times"
    return (
        f"The model's server has answered {so_often} with what is no answer ({kind}: {said.rstrip('.')}). "
        "Check the address that the model's calls go to, and what stands in between."
    )


def _is_refused(error: Exception) -> bool:
    """Whether a provider refuses the request itself, so that making it again changes nothing."""
    cause = error.__cause__ if isinstance(error, ApplicationError) else error
    return isinstance(cause, ModelHTTPError) and cause.status_code in REFUSED


def kind_of(error: Exception) -> str:
    """Return the class name of an error, also of one that a library has wrapped for Temporal."""
    return error.type or type(error).__name__ if isinstance(error, ApplicationError) else type(error).__name__
