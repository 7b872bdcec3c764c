"""Which effects belong to one run: its own, and those of the waves that it runs."""

from sqlalchemy import ColumnElement, or_

from outlive.ledger.schema import effects


def of_run(workflow_id: str) -> ColumnElement[bool]:
    """Return the condition that an effect is one of a run, or of one of its waves."""
    waves = effects.c.workflow_id.startswith(f"{workflow_id}/", autoescape=True)
    return or_(effects.c.workflow_id == workflow_id, waves)
