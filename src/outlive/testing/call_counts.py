"""What a model server saw of each document: the count of calls from the outside, which no ledger can flatter."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class DocumentCalls:
    """The calls for one document, in the order of their beginning. Times are seconds since the epoch."""

    begun: list[float] = field(default_factory=list)
    ended: list[float | None] = field(default_factory=list)
    faults: int = 0
    keys: list[str | None] = field(default_factory=list)

    @property
    def paid(self) -> int:
        """Calls that a provider would bill: all but those answered with an error status."""
        return len(self.begun) - self.faults

    @property
    def completed(self) -> int:
        """Calls whose answer was sent to its last byte."""
        return sum(end is not None for end in self.ended)

    def to_json(self) -> dict[str, Any]:
        """Return the calls as JSON."""
        return {"begun": self.begun, "ended": self.ended, "faults": self.faults, "keys": self.keys}


@dataclass
class CallCounts:
    """All calls of one server, by document."""

    documents: dict[str, DocumentCalls] = field(default_factory=dict)
    calls: int = 0
    completed: int = 0
    faulted: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    def begin(self, name: str, key: str | None, now: float) -> tuple[DocumentCalls, int]:
        """Count a call that has arrived, and return its place."""
        document = self.documents.get(name)
        if document is None:
            document = self.documents[name] = DocumentCalls()
        document.begun.append(now)
        document.ended.append(None)
        document.keys.append(key)
        self.calls += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return document, len(document.begun) - 1

    def totals(self) -> dict[str, Any]:
        """Return the sums.

        ``repeated`` are the billed calls beyond the first of each document; ``repeated_after_completion`` those of
        them that began after an earlier call for the same document was answered in full; ``abandoned`` the calls
        whose client went away before the end of its answer.
        """
        repeats = [calls for calls in self.documents.values() if calls.paid > 1]
        return {
            "calls": self.calls,
            "completed": self.completed,
            "faulted": self.faulted,
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
            "abandoned": self.calls - self.completed - self.faulted - self.in_flight,
            "documents": len(self.documents),
            "repeated": sum(calls.paid - 1 for calls in repeats),
            "repeated_after_completion": sum(_begun_after_completion(calls) for calls in repeats),
            "repeated_under_another_key": sum(len(set(calls.keys)) > 1 for calls in repeats),
        }

    def by_document(self, *, only_repeated: bool) -> dict[str, Any]:
        """Return the calls of each document."""
        return {name: calls.to_json() for name, calls in self.documents.items() if calls.paid > 1 or not only_repeated}


def _begun_after_completion(calls: DocumentCalls) -> int:
    ends = [end for end in calls.ended if end is not None]
    return sum(begun > min(ends) for begun in calls.begun) if ends else 0
