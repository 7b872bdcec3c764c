"""One run over HTTP, in rows: outline, entries, values."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from engines import fresh
from outlive import App
from temporal.api.serving import Caller, api_of
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
    namespace = (await client.temporal()).namespace
    assert ended.body["temporal_url"].startswith(f"/temporal/namespaces/{namespace}/workflows/agent%2Fgated")
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


async def test_a_live_run_gives_a_page_the_whole_once_and_then_what_has_changed(served, settings):
    gated = Gated(times=2)
    app = App("test", agents=[gated.agent])
    client = await served(app)
    handle = await gated.start(client)
    await gated.is_at(1)
    path = f"/v1/live?topic=run:{handle.workflow_id}"

    async with api_of(app, settings) as api:
        first = await outlines_of_stream(api, path, until=lambda outline: True)
        gated.permit(2)
        await handle.result()
        marks = {"Last-Event-ID": first[-1][0]}
        after = await outlines_of_stream(api, path, until=lambda outline: outline["ended_at"], headers=marks)
        unknown = {"Last-Event-ID": "none"}
        whole = await outlines_of_stream(api, path, until=lambda outline: outline["ended_at"], headers=unknown)

    assert (first[0][1]["is_delta"], len(first[0][1]["entries"])) == (False, 2)
    assert all(outline["is_delta"] for _, outline in after)
    assert [row["id"] for row in after[-1][1]["entries"]][-3:] == ["3", "4", "5"]
    assert (whole[-1][1]["is_delta"], len(whole[-1][1]["entries"])) == (False, 5)


async def outlines_of_stream(api: Caller, path: str, *, until: Callable[[dict], Any], **options: Any) -> list[tuple]:
    """The id and the outline of each event of a run, up to one that is waited for."""
    found, frame = [], {}
    async with api.session.get(api.url + path, **options) as answer:
        async for raw in answer.content:
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name:
                frame[name] = value
                continue
            if frame.get("event", "").startswith("run:"):
                found.append((frame["id"], json.loads(frame["data"])))
                if until(found[-1][1]):
                    break
            frame = {}
    return found
