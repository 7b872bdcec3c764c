"""One batch as the console shows it: card, series, failures, documents, downloads, changes."""

import csv
import io
import json
from dataclasses import replace

import pytest

from engines import fresh
from outlive import App, Document
from temporal.api.serving import api_of

PLAIN = [
    {"text": f"Document {number} is about lamps and desks.", "fields": {"n": number}, "uri": f"doc-{number}"}
    for number in range(5)
]
BAD = [{"text": f"Nobody can read document {number}.", "uri": f"bad-{number}"} for number in range(2)]


def refusing() -> App:
    """An app whose batch function fails on some documents, until it is mended."""
    app = App("test")

    @app.batch(model="offline:extractive", name="judge")
    async def judge(document: Document, llm) -> str:
        """Say what it is about."""
        if "Nobody" in document.text and not app.mended:
            raise ValueError("Nobody can read it")
        return await llm(document.text)

    app.mended = False
    return app


@pytest.fixture
async def ended(served, settings):
    """An API, the id of a batch that has ended with five done, two failed and a duplicate, and its app."""
    app, name = refusing(), fresh("judged")
    await served(app)
    async with api_of(app, settings) as api:
        started = await api.post(
            "/v1/batches", {"id": name, "function": "judge", "documents": [*PLAIN, *BAD, PLAIN[0]]}
        )
        assert started.status == 201, started.body
        await api.get(f"/v1/batches/{name}?wait=60")
        yield api, name, app


async def test_a_batch_has_its_counts_its_course_and_its_failures(ended):
    api, name, _ = ended

    card = (await api.get(f"/v1/batches/{name}")).body
    listed = (await api.get("/v1/batches")).body
    series = (await api.get(f"/v1/batches/{name}/series")).body
    failures = (await api.get(f"/v1/batches/{name}/failures")).body

    assert (card["state"], card["done"], card["failed"], card["in_flight"]) == (
        "finished",
        5,
        {"function_error": 2},
        0,
    )
    assert card["created_at"] < card["finished_at"]
    assert (card["documents_per_minute"], card["seconds_left"], card["forecast"], card["budget"]) == (None,) * 4
    assert {key: card[key] for key in listed[0]} == listed[0]
    assert (sum(series["done"]), sum(series["failed"]), series["step_seconds"]) == (5, 2, 2)
    assert len({len(values) for values in series.values() if isinstance(values, list)}) == 1
    assert [(group["cause"], group["documents"]) for group in failures] == [("function_error", 2)]
    assert "Mend the code" in failures[0]["explanation"]
    assert failures[0]["example"]["reason"] == "ValueError: Nobody can read it"


async def test_its_documents_are_paged_filtered_and_searched(ended):
    api, name, _ = ended

    pages, cursor = [], "0"
    while cursor is not None:
        pages.append((await api.get(f"/v1/batches/{name}/documents?cursor={cursor}&limit=3")).body)
        cursor = pages[-1]["next"]
    failed = (await api.get(f"/v1/batches/{name}/documents?status=failed")).body
    of_cause = (await api.get(f"/v1/batches/{name}/documents?cause=function_error&q=BAD-1")).body
    none = (await api.get(f"/v1/batches/{name}/documents?status=missing")).body
    refused = [
        await api.get(f"/v1/batches/{name}/documents?{query}")
        for query in ("status=eaten", "cursor=-1", "limit=0", f"cursor={2**40}")
    ]

    assert [len(page["items"]) for page in pages] == [3, 3, 2]
    assert [row["position"] for page in pages for row in page["items"]] == list(range(8))
    assert pages[-1]["items"][-1]["duplicate_of"] == 0
    assert pages[-1]["items"][-1]["result_preview"] == pages[0]["items"][0]["result_preview"]
    assert {page["total"] for page in pages} == {8}
    assert ([row["position"] for row in failed["items"]], failed["total"]) == ([5, 6], 2)
    assert ([row["uri"] for row in of_cause["items"]], of_cause["total"]) == (["bad-1"], None)
    assert (none["items"], none["total"], none["next"]) == ([], 0, None)
    assert [answer.status for answer in refused] == [422] * 4


async def test_a_document_is_shown_with_fields_result_and_text(ended):
    api, name, _ = ended

    shown = (await api.get(f"/v1/batches/{name}/documents/3")).body
    beyond = await api.get(f"/v1/batches/{name}/documents/8")

    assert (shown["fields"], shown["status"]) == ({"n": 3}, "done")
    assert shown["result"]
    assert json.dumps(shown["result"], ensure_ascii=False) == shown["result_preview"]
    assert shown["source"] == {"text": PLAIN[3]["text"], "is_cut": False, "from": "source", "note": None}
    assert (beyond.status, "it has 8" in beyond.body["detail"]) == (404, True)


@pytest.mark.parametrize("file_format", ["jsonl", "csv", "parquet"])
async def test_its_results_are_downloaded_as_the_command_line_writes_them(ended, file_format):
    api, name, _ = ended

    async with api.session.get(f"{api.url}/v1/batches/{name}/download?format={file_format}") as answer:
        body = await answer.read()

    assert answer.status == 200
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{name}.{file_format}"
    if file_format == "jsonl":
        rows = [json.loads(line) for line in body.splitlines()]
        assert [row["status"] for row in rows] == ["done"] * 5 + ["failed"] * 2 + ["done"]
    elif file_format == "csv":
        rows = list(csv.DictReader(io.StringIO(body.decode())))
        assert [row["fields.n"] for row in rows] == ["0", "1", "2", "3", "4", "", "", "0"]
    else:
        parquet = pytest.importorskip("pyarrow.parquet")
        assert parquet.read_table(io.BytesIO(body)).num_rows == 8


async def test_what_failed_is_done_again_and_the_series_keeps_what_was(ended):
    api, name, app = ended
    app.mended = True

    retried = await api.post(f"/v1/batches/{name}/retry")
    card = (await api.get(f"/v1/batches/{name}?wait=60")).body
    series = (await api.get(f"/v1/batches/{name}/series")).body

    assert retried.status == 202, retried.body
    assert (card["done"], card["failed"]) == (7, {})
    assert (sum(series["done"]), sum(series["failed"])) == (7, 2)


async def test_a_batch_is_given_a_budget_and_changes_that_come_too_late_are_refused(ended):
    api, name, _ = ended

    given = await api.post(f"/v1/batches/{name}/budget", {"budget": "25usd", "by": "ada"})
    card = (await api.get(f"/v1/batches/{name}")).body
    late = await api.post(f"/v1/batches/{name}/concurrency", {"documents": 3})
    nothing = await api.post(f"/v1/batches/{name}/concurrency", {"documents": 0})

    assert given.status == 200, given.body
    assert (card["budget"]["key"], card["budget"]["usd_nanos"]) == (f"batch/{name}", 25_000_000_000)
    assert (card["budget"]["state"], card["budget"]["waiting"]) == ("open", [])
    assert (late.status, late.body["error"]) == (409, "BatchError")
    assert nothing.status == 422


@pytest.mark.parametrize("path", ["", "/series", "/failures", "/documents", "/documents/0", "/download"])
async def test_an_unknown_batch_is_said_to_be_one(served, settings, path):
    app = App("test")
    await served(app)

    async with api_of(app, settings) as api:
        answer = await api.get(f"/v1/batches/nosuch{path}")

    assert (answer.status, answer.body["error"]) == (404, "BatchUnknown")


async def test_a_batch_that_no_worker_serves_is_shown_as_far_as_it_is(settings):
    app, name = refusing(), fresh("alone")

    async with api_of(app, replace(settings, task_queue=fresh("nobody"))) as api:
        await api.post("/v1/batches", {"id": name, "function": "judge", "documents": PLAIN})
        card = (await api.get(f"/v1/batches/{name}")).body
        changed = (await api.post(f"/v1/batches/{name}/concurrency", {"documents": 3})).body
        home = (await api.get("/v1/home")).body
        await api.post(f"/v1/batches/{name}/cancel")

    assert (card["missing"], card["state"], card["forecast"]) == (5, "running", None)
    assert "No worker polls" in card["problem"]
    assert changed["concurrency"] == 3
    stuck = [one for one in home["stuck"] if one["id"] == f"batch/{name}"]
    assert [(one["kind"], one["name"]) for one in stuck] == [("batch", name)]
    assert "outlive up" in stuck[0]["problem"]
