"""Hand-offs of a workflow that is no agent's."""

import pytest

from engines import fresh
from outlive import App
from outlive.errors import AlreadyDecided
from temporal.desk.people import waiting
from temporal.desk.workflows import Migration


async def test_any_workflow_hands_off_to_the_same_desk(served, settings):
    name = fresh("migration")
    app = App("test", workflows=[Migration])
    told = []

    @app.on_hand_off
    async def tell(news) -> None:
        told.append((news.occasion, news.subject))

    client = await served(app)
    temporal = await client.temporal()
    handle = await temporal.start_workflow(
        "TestMigration", [name, "1 %", "10 %"], id=name, task_queue=settings.task_queue, result_type=list
    )
    (first,) = await waiting(client, name)
    await client.desk.decide(first.id, "approve", by="ada", value={"rows": 100})
    (second,) = await waiting(client, name)
    with pytest.raises(AlreadyDecided):
        await client.desk.decide(first.id, "stop", by="bob")
    await client.desk.decide(second.id, "stop", by="bob")
    result = await handle.result()

    assert (first.run, first.subject, (await client.desk.get(first.id)).about) == (name, "1 %", {"rows": 200})
    assert result == [["approve", "ada", {"rows": 100}], ["stop", "bob", None]]
    assert set(told) == {(occasion, wave) for occasion in ("opened", "decided") for wave in ("1 %", "10 %")}
