"""What is told: CloudEvents 1.0."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from outlive.contracts.agents import Question
from outlive.contracts.notifications import Occurrence
from outlive.ledger.records import Progress
from outlive.names import BATCH_WORKFLOW_ID_PREFIX, PLAN_WORKFLOW_ID_PREFIX

TYPE_PREFIX = "io.outlive"
LARGEST_RESULT = 16_384  # bytes of JSON; receivers refuse large bodies, and the whole is a call away


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that has happened.

    Attributes:
        key: With the workflow id, what makes it the same event however often it is recorded.
        at: Seconds since the epoch.
        data: JSON values.
    """

    workflow_id: str
    occurrence: Occurrence
    key: str
    at: float
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def event_id(self) -> str:
        """32 hexadecimal characters, by which receivers know it again."""
        return hashlib.sha256(f"{self.workflow_id}\0{self.key}".encode()).hexdigest()[:32]


def cloud_event(event: Event, *, app: str) -> str:
    """Return an event as CloudEvents 1.0 JSON, in structured mode."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": event.event_id,
            "source": f"/outlive/{quote(app, safe='')}",
            "type": f"{TYPE_PREFIX}.{kind_of(event.workflow_id)}.{event.occurrence}",
            "subject": event.workflow_id,
            "time": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": {"workflow_id": event.workflow_id, "state": str(event.occurrence), **event.data},
        },
        default=str,
    )


def kind_of(workflow_id: str) -> str:
    """Return what the types of a workflow's events name: ``batch``, ``plan`` or ``run``."""
    if workflow_id.startswith(BATCH_WORKFLOW_ID_PREFIX):
        return "batch"
    return "plan" if workflow_id.startswith(PLAN_WORKFLOW_ID_PREFIX) else "run"


def result_data(result: Any) -> dict[str, Any]:
    """Return what an event says of a result: itself where it is small, else only how large it is."""
    text = json.dumps(result, default=str)
    if len(text.encode()) <= LARGEST_RESULT:
        return {"result": result}
    return {"result_bytes": len(text.encode()), "result_left_out": True}


def progress_data(progress: Progress) -> dict[str, Any]:
    """Return what an event says of how far a batch is."""
    return {
        "documents": progress.total,
        "done": progress.done,
        "failed": progress.failed_count,
        "calls": progress.calls,
        "input_tokens": progress.input_tokens,
        "output_tokens": progress.output_tokens,
        "usd_nanos": progress.usd_nanos,
    }


def question_data(question: Question) -> dict[str, Any]:
    """Return what an event says of what a person is asked: enough to decide whether to look, and never an argument."""
    return {
        "question_id": question.question_id,
        "kind": question.kind,
        "subject": question.subject,
        "reason": question.reason,
        "choices": list(question.choices),
    }
