"""One run over HTTP, in rows: outline, entries, values."""

import asyncio
import json

from pydantic_core import to_json

from engines import fresh
from outlive import App
from outlive.api.live_runs import outline_mark, outline_since, read_outline
from temporal.api.serving import api_of
from temporal.plans.world import Shelf
from temporal.trace.gated import Gated


async def test_a_run_is_read_in_rows_then_only_what_is_new_then_one_entry_and_one_value(served, settings):
    gated = Gated(times=2, result="x" * 5_000)
    app = App("test", agents=[gated.agent])
    client = await served(app)
    await gated.start(client)
    url = f"/v1/runs/agent/{gated.agent.name}/run"

    async with api_of(app, settings) as api:
        await gated.is_at(1)
        begun = await api.get(f"{url}/outline")
        assert begun.status == 200, begun.body
        waiting = asyncio.create_task(api.get(f"{url}/outline?wait=60&since={begun.body['cursor']}"))
        gated.permit()
        changed = await waiting
        gated.permit()
        await api.get(f"{url}/result?wait=60")
        ended = await api.get(f"{url}/outline?within=5")
        entry = await api.get(f"{url}/entries/2")
        model = await api.get(f"{url}/entries/1")
        value = await api.get(f"{url}/values?ref=2.result")
        messages = await api.get(f"{url}/values?ref={model.body['messages_ref']}")

    assert (begun.status, begun.body["is_delta"], begun.body["state"]) == (200, False, "running")
    assert changed.body["is_delta"]
    assert changed.body["entries"][0]["id"] == "2"
    assert (ended.body["state"], ended.body["is_whole"], len(ended.body["entries"])) == ("completed", True, 5)
    row = ended.body["entries"][1]
    assert (row["id"], row["turn"], row["kind"], row["name"], row["state"]) == ("2", "t1", "tool_call", "step", "done")
    assert (row["attempts"], row["failures"], row["summary"], row["ledger_state"]) == (1, 0, "number=0", "done")
    assert [row[name] for name in ("model", "input_tokens", "usd_nanos", "has_child", "policy")] == [None] * 5
    assert ended.body["temporal_url"].startswith("/temporal/namespaces/default/workflows/agent%2Fgated")
    assert (entry.body["result"]["is_cut"], entry.body["args"]["content"]) == (True, {"number": 0})
    assert (entry.body["ledger"]["state"], entry.body["ledger"]["attempts"]) == ("done", 1)
    assert entry.body["ledger"]["key"] == row["effect_key"]
    assert value.body["content"] == "x" * 5_000 + " 0"
    assert messages.body["content"][0]["parts"][0]["content"] == "Go"


async def test_the_effects_of_a_plan_have_their_policy_and_any_workflow_has_an_outline(served, settings):
    app, shelf = App("test"), Shelf()
    put = shelf.declare(app)
    name = fresh("fill")

    async def fill(plan) -> str:
        """Put one item on the shelf."""
        return await plan.effect(put, item=1)

    app.plan(fill, name=name)
    await served(app)

    async with api_of(app, settings) as api:
        await api.post(f"/v1/runs/plan/{name}", {"id": "one"})
        await api.get(f"/v1/runs/plan/{name}/one/result?wait=60")
        outline = await api.get(f"/v1/runs/plan/{name}/one/outline")
        same = await api.get(f"/v1/workflows/plan/{name}/one/outline")
        row = next(row for row in same.body["entries"] if row["ledger_state"])
        entry = await api.get(f"/v1/workflows/plan/{name}/one/entries/{row['id']}")

    assert (outline.body["plan"], outline.body["run_id"], outline.body["agent"]) == (name, "one", None)
    assert outline.body["entries"] == same.body["entries"]
    assert (row["policy"], row["ledger_state"], row["kind"]) == ("idempotent", "done", "activity")
    assert entry.body["ledger"]["policy"] == "idempotent"


async def test_what_there_is_none_of_is_404_and_says_so(served, settings):
    gated = Gated(times=1)
    app = App("test", agents=[gated.agent])
    client = await served(app)
    handle = await gated.start(client)
    gated.permit()
    await handle.result()
    url = f"/v1/runs/agent/{gated.agent.name}"

    async with api_of(app, settings) as api:
        answers = [
            await api.get(f"{url}/{path}")
            for path in ("none/outline", "run/entries/9", "run/values?ref=9.args", "run/entries/7/2")
        ]

    assert [(answer.status, answer.body["error"]) for answer in answers] == [
        (404, "RunUnknown"),
        (404, "EntryUnknown"),
        (404, "EntryUnknown"),
        (404, "EntryUnknown"),
    ]


async def test_a_live_run_gives_each_page_only_what_that_page_has_not(served):
    gated = Gated(times=2)
    client = await served(App("test", agents=[gated.agent]))
    handle = await gated.start(client)
    await gated.is_at(1)

    first = await read_outline(client, handle.workflow_id)
    gated.permit(2)
    await handle.result()
    last = await read_outline(client, handle.workflow_id)
    to_one, to_another = (outline_since(last, mark) for mark in (outline_mark(first), "of.another.1"))

    assert outline_mark(first) != outline_mark(last)
    assert (to_one.is_delta, [row.id for row in to_one.entries]) == (True, ["2", "3", "4", "5"])
    assert (to_another.is_delta, len(to_another.entries)) == (False, 5)
    assert json.loads(to_json(to_one)) == json.loads(to_one.model_dump_json())
