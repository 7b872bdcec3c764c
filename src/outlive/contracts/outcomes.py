"""What a batch remembers of one document."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a document ended."""

    DONE = "done"
    FAILED = "failed"


class Cause(StrEnum):
    """Why a document has no result: the groups in which failures are counted."""

    # reading
    NOT_FOUND = "not_found"  # 404, 410, a missing file
    HTTP_ERROR = "http_error"  # any other status that is not a success, also after retries
    DNS = "dns"
    CONNECTION = "connection"  # refused, reset, TLS
    TIMEOUT = "timeout"
    ADDRESS_REFUSED = "address_refused"  # private or link-local address, not allowed by the settings
    REDIRECTS = "redirects"  # too many, or to an address or scheme that is refused
    BAD_ADDRESS = "bad_address"  # not a URL or path that can be read
    TOO_LARGE = "too_large"  # over the size cap, or a body that does not end
    EMPTY = "empty"  # 0 bytes, or nothing but white space
    NOT_TEXT = "not_text"  # binary of no kind that can be read
    NO_TEXT = "no_text"  # a PDF of scanned pages, a page without text
    ENCRYPTED = "encrypted"
    BROKEN = "broken"  # of a known kind, but damaged
    UNREADABLE = "unreadable"  # a file that may not be read
    # answering
    TOO_LONG = "too_long"  # longer than the model's context, and splitting is off
    REJECTED = "rejected"  # the provider refuses the request
    INVALID_ANSWER = "invalid_answer"  # fails the output type after its repeats
    CUT_SHORT = "cut_short"  # the answer ended before its end
    MODEL_UNAVAILABLE = "model_unavailable"  # 429, 5xx or no connection after all attempts
    MODEL_HALTED = "model_halted"  # key refused or quota exhausted: pauses the batch, never an outcome
    FUNCTION_ERROR = "function_error"  # the user's own code raised
    KILLED_WORKER = "killed_worker"  # each worker that began it alone died of it


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The one thing that a batch records of a document.

    Attributes:
        position: Place in the source, from 0.
        result: JSON text of the result, where the status is done.
        cause: The group of the failure, where the status is failed.
        reason: One sentence for a person, where the status is failed.
        input_tokens: Over all calls for this document, failed answers included.
        usd_nanos: Price in billionths of a dollar over all calls; None where the price is not known.
        reused: True where the answer came from an earlier batch and cost nothing.
        seconds: From beginning the document to its outcome, waiting included.
    """

    position: int
    status: Status
    result: str | None = None
    cause: Cause | None = None
    reason: str | None = None
    model: str | None = None
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd_nanos: int | None = 0
    content_key: str | None = None
    reused: bool = False
    seconds: float = 0.0
