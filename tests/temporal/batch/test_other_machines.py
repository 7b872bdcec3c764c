"""A batch whose documents lie on another machine ends, and says which machine that is."""

import json
import platform
from pathlib import Path

from sqlalchemy import select, update

from crash.batch.projects import MODEL, Project
from outlive.batch_requests import BatchRequest
from outlive.contracts.batches import BatchSpec
from outlive.documents.sources import open_source
from outlive.ledger.schema import batches

BERLIN = "the-one-in-berlin"


async def test_documents_of_another_machine_fail_once_with_its_name_and_nothing_is_paid(
    project: Project, batch_id: str, tmp_path: Path
):
    (tmp_path / "in").mkdir()
    for number in range(3):
        (tmp_path / "in" / f"{number}.txt").write_text(f"[document {number}] A text.")
    spec = BatchSpec(batch_id="", function="ask", model=MODEL)
    request = BatchRequest(source=open_source(tmp_path / "in"), batch_id=batch_id, spec=spec)
    handle = await project.begin_request(request)
    noted = (await handle.record()).spec.machine
    say_it_was_started_in_berlin(project, batch_id)
    (tmp_path / "in" / "1.txt").unlink()
    async with project.serving():
        ended = await project.ended(handle)
        results = [row async for row in handle.results()]

    assert noted == platform.node()
    assert (ended.progress.done, ended.progress.failed) == (2, {"not_found": 1})
    assert f"The batch was started on {BERLIN!r}" in results[1].reason
    assert project.model.counts.calls == 2


def say_it_was_started_in_berlin(project: Project, batch_id: str) -> None:
    """Change what the ledger has of the batch; and add what a later Outlive might write."""
    with project.client.ledger.engine.execution_options(outlive_writes=True).begin() as connection:
        found = connection.execute(select(batches.c.spec).where(batches.c.batch_id == batch_id)).scalar_one()
        changed = json.loads(found) | {"machine": BERLIN, "later": 1}
        changed["reading"]["later"] = 1
        connection.execute(update(batches).where(batches.c.batch_id == batch_id).values(spec=json.dumps(changed)))
