"""Temporal's own Web UI, under the console's origin and sign-in."""

import json
import re
from base64 import b64decode, b64encode
from dataclasses import replace

import pytest

from consoles import console_of, page_of
from engines import fresh
from outlive import App
from outlive.console import temporal_ui
from outlive.console.temporal_ui import TemporalUi
from outlive.engine.connection import data_converter
from outlive.settings import Settings

OPERATE, LOOK = "operate-token-1234567", "look-token-1234567890"
KEYS = "k1:" + b64encode(bytes(range(32))).decode()


@pytest.fixture
def own(engine, tmp_path):
    """Settings of a console whose project's engine is the session's."""
    if not engine.state.ui_address:
        pytest.skip("the cluster's Web UI is not known")
    return replace(engine.settings, api_token=OPERATE, look_token=LOOK)


async def test_its_pages_scripts_and_data_come_through_and_nothing_before_the_sign_in(own, client, task_queue):
    name = fresh("seen")
    handle = await client.start_workflow("Nothing", id=name, task_queue=task_queue)

    async with console_of(App("shop"), own) as url, page_of(url) as page:
        before = await page.get("/temporal/")
        await page.sign_in(LOOK)
        shown = await page.get("/temporal/namespaces/default/workflows")
        (script, *_) = re.findall(r'"(/temporal/_app/[^"]+\.js)"', shown.body)
        code = await page.get(script)
        workflow = await page.get(f"/temporal/api/v1/namespaces/default/workflows/{name}")
        link = await page.get("/v1/session")
        bare = await page.get("/temporal", allow_redirects=False)
    await handle.terminate()

    assert before.status == 401
    assert (shown.status, code.status) == (200, 200)
    assert "javascript" in code.headers["Content-Type"]
    assert workflow.body["workflowExecutionInfo"]["execution"]["workflowId"] == name
    assert link.body["temporal_ui"] == "/temporal/"
    assert (bare.status, bare.headers["Location"]) == (307, "/temporal/")
    assert "frame-ancestors 'self'" in shown.headers["Content-Security-Policy"]
    assert len(shown.headers.getall("Content-Security-Policy")) == 1


async def test_who_looks_may_not_terminate_there_and_who_operates_may(own, client, task_queue):
    name = fresh("ended")
    handle = await client.start_workflow("Nothing", id=name, task_queue=task_queue)
    path = f"/temporal/api/v1/namespaces/default/workflows/{name}/terminate"

    async with console_of(App("shop"), own) as url, page_of(url) as looker, page_of(url) as operator:
        await looker.sign_in(LOOK)
        await operator.sign_in(OPERATE)
        shown = [(await page.get("/temporal/api/v1/settings")).body for page in (looker, operator)]
        refused = await looker.post(path, {"reason": "test"})
        status = (await handle.describe()).status.name
        token = next(cookie.value for cookie in operator.session.cookie_jar if cookie.key == "_csrf")
        ended = await operator.post(path, {"reason": "test"}, headers={"X-CSRF-Token": token})

    assert [one["DisableWriteActions"] for one in shown] == [True, False]
    assert {one["Codec"]["Endpoint"] for one in shown} == {"/codec"}
    assert (refused.status, status) == (403, "RUNNING")
    assert ended.status == 200, ended.body
    assert (await handle.describe()).status.name == "TERMINATED"


async def test_its_codec_decodes_for_who_has_signed_in(own, tmp_path):
    settings = replace(own, keys=KEYS)
    (sealed,) = await data_converter(settings).encode(["the word is lamp"])
    body = {
        "payloads": [
            {
                "metadata": {k: b64encode(v).decode() for k, v in sealed.metadata.items()},
                "data": b64encode(sealed.data).decode(),
            }
        ]
    }

    async with console_of(App("shop"), settings) as url, page_of(url) as page:
        before = await page.post("/codec/decode?preserveStorageRefs=true", body)
        await page.sign_in(LOOK)
        after = await page.post("/codec/decode?preserveStorageRefs=true", body)
        encoded = await page.post("/codec/encode", body)

    assert b"lamp" not in sealed.data
    assert (before.status, after.status, encoded.status) == (401, 200, 403)
    assert b64decode(after.body["payloads"][0]["data"]) == b'"the word is lamp"'


async def test_secrets_of_the_console_do_not_reach_it(own, monkeypatch):
    asked = []

    async with console_of(App("shop"), own) as url, page_of(url) as page:
        await page.sign_in(OPERATE)
        passed_on = temporal_ui._passed_on
        monkeypatch.setattr(
            temporal_ui, "_passed_on", lambda scope, base: asked.append(passed_on(scope, base)) or asked[-1]
        )
        await page.get("/temporal/", cookies={"_csrf": "kept", "other": "not"})
        cookies = [cookie.value for cookie in page.session.cookie_jar if cookie.key.startswith("outlive")]
        await page.get("/temporal/", headers={"Authorization": f"Bearer {OPERATE}"})

    text = json.dumps(asked)
    assert cookies
    assert "_csrf=kept" in text
    assert "other" not in text
    assert not any(secret in text for secret in (*cookies, OPERATE))


async def test_an_engine_that_is_gone_is_said(tmp_path):
    settings = Settings(home=tmp_path / ".outlive", temporal_ui="http://127.0.0.1:9/temporal")
    nowhere = Settings(home=tmp_path / ".outlive")

    async with console_of(App("shop"), settings) as url, page_of(url) as page:
        gone = await page.get("/temporal/")
    async with console_of(App("shop"), nowhere) as url, page_of(url) as page:
        none, session = await page.get("/temporal/"), await page.get("/v1/session")

    assert (gone.status, none.status, session.body["temporal_ui"]) == (503, 404, None)


def test_a_cluster_s_ui_is_linked_to_and_served_where_its_pages_know_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:9")

    def link(**values):
        return TemporalUi(Settings(home=tmp_path, **values)).link

    assert link() is None
    assert link(temporal_ui="https://temporal.example.com") == "https://temporal.example.com"
    assert link(temporal_ui="http://ui.internal:8080/temporal") == "/temporal/"
    assert link(temporal_ui="http://ui.internal:8080/temporal/") == "/temporal/"
