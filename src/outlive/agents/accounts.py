"""Which budgets pay for a call, sent along with its activity: a header, and so no event of history."""

import json
from dataclasses import asdict

from outlive.agents.host import run_host
from outlive.contracts.budgets import BudgetScope

MODEL_CALLS = ("__model_request", "__model_request_stream")
TOOL_CALL = "__call_tool"


def accounts_of_run(activity_type: str) -> bytes | None:
    """Return who pays for the model calls of an activity of the run at hand; None where no budget is named."""
    host = None if activity_type.endswith(TOOL_CALL) or not activity_type.startswith("agent__") else run_host()
    if host is None:
        return None
    payers, by = host.money.payers(), host.money.last_call_by()
    if by and activity_type.endswith(MODEL_CALLS):
        host.money.count_last_call()
    if not payers and not by:
        return None
    return json.dumps({"payers": [asdict(scope) for scope in payers], "lifted_by": by}).encode()


def read_accounts(data: bytes) -> tuple[list[BudgetScope], str]:
    """Return who pays for a call, and who let it be made though they do not."""
    found = json.loads(data)
    return [BudgetScope(**scope) for scope in found["payers"]], found["lifted_by"]
