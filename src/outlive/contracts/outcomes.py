"""What a batch remembers of one document."""

from collections.abc import Mapping
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


EXPLANATIONS: Mapping[Cause, str] = {
    Cause.NOT_FOUND: "There is nothing at the address. Correct it in the source, and start a batch of those.",
    Cause.HTTP_ERROR: "The server answered with an error, also when asked again. Retry once it serves the address.",
    Cause.DNS: "The name of the server is not known. Check the address, or the network of the workers; then retry.",
    Cause.CONNECTION: "No connection to the server came about, or it broke. Retry once it can be reached.",
    Cause.TIMEOUT: "The server took too long to answer. Retry, with fewer documents in flight where it was overloaded.",
    Cause.ADDRESS_REFUSED: (
        "The address is a private one, which batches do not read unless OUTLIVE_ALLOW_PRIVATE_ADDRESSES is set. "
        "Set it where you trust the source, and start the batch anew."
    ),
    Cause.REDIRECTS: "The server sends on too often, or to an address that is refused. Name the final address.",
    Cause.BAD_ADDRESS: "It is no URL or path that can be read. Correct it in the source.",
    Cause.TOO_LARGE: "It is larger than the limit for one document. Cut it into parts, or raise the limit.",
    Cause.EMPTY: "It holds nothing but white space. There is nothing to answer.",
    Cause.NOT_TEXT: "It is of no kind that text can be read from. Convert it, and name the converted one.",
    Cause.NO_TEXT: "It shows pictures of text, such as scanned pages. Have it recognised (OCR) first.",
    Cause.ENCRYPTED: "It is protected by a password. Remove that first.",
    Cause.BROKEN: "It is damaged: its kind is known, and it cannot be read. Get it anew from where it came from.",
    Cause.UNREADABLE: "The workers may not read the file. Give them the permission, then retry.",
    Cause.TOO_LONG: "It is longer than the model reads at once, and splitting is off. Allow splitting, or cut it.",
    Cause.REJECTED: "The provider refuses the request for this document. The reason says why; another model may do.",
    Cause.INVALID_ANSWER: (
        "The model's answers did not fit the output type, also when asked again. Simplify the type, make the "
        "instruction clearer, or take another model."
    ),
    Cause.CUT_SHORT: "The answer ended before its end. Ask for a shorter one, or raise the model's output limit.",
    Cause.MODEL_UNAVAILABLE: "The model did not answer for long. Retry once its provider is back.",
    Cause.MODEL_HALTED: "The key is refused or the quota used up. Mend that at the provider, then retry.",
    Cause.FUNCTION_ERROR: "The batch function raised an error: the reason names it. Mend the code, then retry.",
    Cause.KILLED_WORKER: (
        "Each worker that worked on it died, at the last as on the only one. Look whether it needs too much memory; "
        "leave it out, or give the workers more."
    ),
}
"""Of each cause what it means, and what to do."""
UNKNOWN_CAUSE = "A newer Outlive has recorded this cause. The reason says more."


def explanation_of(cause: str) -> str:
    """Return what a cause means, and what to do."""
    return EXPLANATIONS[Cause(cause)] if cause in set(Cause) else UNKNOWN_CAUSE


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
