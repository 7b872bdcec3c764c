"""Batches and what waits for a person, over HTTP."""

import asyncio
from dataclasses import replace

from pydantic_ai import Agent

from engines import fresh
from outlive import App, Durable
from temporal.api.serving import api_of
from temporal.desk.people import calling, waiting

DOCUMENTS = [{"text": f"Document {number} is about lamps and desks.", "fields": {"n": number}} for number in range(7)]


def request(**values):
    return {
        "function": "outlive.analyze",
        "instruction": "Say what it is about",
        "model": "offline:extractive",
        "documents": DOCUMENTS,
    } | values


async def test_a_batch_of_documents_sent_along_is_started_once_and_its_results_are_paged(served, settings):
    app, name = App("test"), fresh("docs")
    await served(app)

    async with api_of(app, settings) as api:
        answers = await asyncio.gather(*(api.post("/v1/batches", request(id=name)) for _ in range(5)))
        other = await api.post("/v1/batches", request(id=name, documents=DOCUMENTS[:2]))
        ended = await api.get(f"/v1/batches/{name}?wait=60")
        listed = await api.get("/v1/batches")
        pages, cursor = [], "0"
        while cursor is not None:
            page = await api.get(f"/v1/batches/{name}/results?cursor={cursor}&limit=3")
            pages.append(page.body["items"])
            cursor = page.body["next"]

    assert sorted(answer.status for answer in answers) == [200] * 4 + [201]
    assert (other.status, other.body["error"]) == (409, "BatchError")
    assert (ended.body["state"], ended.body["done"], ended.body["missing"]) == ("finished", 7, 0)
    assert [batch["id"] for batch in listed.body] == [name]
    assert [len(page) for page in pages] == [3, 3, 1]
    rows = [row for page in pages for row in page]
    assert [row["fields"]["n"] for row in rows] == list(range(7))
    assert all(row["status"] == "done" and row["result"] for row in rows)


async def test_a_batch_without_an_id_is_the_same_for_the_same_documents(served, settings):
    app = App("test")
    await served(app)

    async with api_of(app, settings) as api:
        first = await api.post("/v1/batches", request())
        second = await api.post("/v1/batches", request())

    assert (first.status, second.status) == (201, 200)
    assert first.body["id"] == second.body["id"]


async def test_local_files_are_read_only_from_the_folder_for_them(served, settings, tmp_path):
    app, sources = App("test"), tmp_path / "sources"
    sources.mkdir()
    (sources / "one.txt").write_text("A text about chairs.")
    (tmp_path / "secret.txt").write_text("The key is 4711.")
    (sources / "link.txt").symlink_to(tmp_path / "secret.txt")
    await served(app)
    by_source = {key: value for key, value in request().items() if key != "documents"}

    async with api_of(app, settings) as api:
        closed = await api.post("/v1/batches", by_source | {"source": str(sources)})
    async with api_of(app, replace(settings, api_sources=str(sources))) as api:
        outside = [
            await api.post("/v1/batches", by_source | {"source": source})
            for source in ("../secret.txt", str(tmp_path / "secret.txt"), "link.txt", "x/*/../../../secret.txt", "-")
        ]
        by_url = [
            await api.post("/v1/batches", request(documents=[{"uri": "file:///etc/passwd"}])),
            await api.post("/v1/batches", by_source | {"source": "file:///etc/passwd"}),
        ]
        inside = await api.post("/v1/batches", by_source | {"source": "one.txt"})

    assert [answer.status for answer in [closed, *outside, *by_url]] == [422] * 8
    assert inside.status == 201


async def test_a_hand_off_is_listed_claimed_and_answered_with_edited_arguments_once(served, settings):
    paid = []
    agent = Agent(calling(("pay", {"to": "ada", "amount": 10})), name=fresh("payer"), capabilities=[Durable()])

    @agent.tool_plain(requires_approval=True)
    def pay(to: str, amount: int) -> str:
        """Pay somebody."""
        paid.append((to, amount))
        return f"paid {amount}"

    app = App("test", agents=[agent])
    client = await served(app)

    async with api_of(app, settings) as api:
        await api.post(f"/v1/runs/agent/{agent.name}", {"id": "pay", "prompt": "pay ada"})
        (one,) = await waiting(client, agent.name)
        listed = await api.get(f"/v1/hand-offs?agent={agent.name}")
        shown = await api.get(f"/v1/hand-offs/{one.id}")
        claimed = await api.post(f"/v1/hand-offs/{one.id}/claim", {"by": "ada"})
        url = f"/v1/hand-offs/{one.id}/decision"
        by_bob = await api.post(url, {"choice": "approve", "by": "bob"})
        unknown = await api.post(url, {"choice": "maybe", "by": "ada"})
        body = {"choice": "approve", "by": "ada", "value": {"to": "ada", "amount": 7}}
        decided = await api.post(url, body, headers={"Idempotency-Key": "d-1"})
        repeated = await api.post(url, body, headers={"Idempotency-Key": "d-1"})
        late = await api.post(url, {"choice": "deny", "by": "bob"})
        result = await api.get(f"/v1/runs/agent/{agent.name}/pay/result?wait=30")

    assert [found["id"] for found in listed.body] == [one.id]
    assert shown.body["about"]["args"] == {"to": "ada", "amount": 10}
    assert (claimed.status, claimed.body["claimed_by"]) == (200, "ada")
    assert (by_bob.status, by_bob.body["error"]) == (409, "HandOffClaimed")
    assert unknown.status == 422
    assert (decided.status, decided.body["state"], decided.body["decided_by"]) == (200, "decided", "ada")
    assert repeated.status == 200
    assert (late.status, late.body["error"]) == (409, "AlreadyDecided")
    assert result.body["state"] == "completed"
    assert paid == [("ada", 7)]
