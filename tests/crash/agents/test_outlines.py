"""What a page shows of a run while its worker, or the engine, is killed under it."""

import os
import signal

import pytest
from temporalio.service import RPCError

from crash.agents.projects import AgentProject
from engines import until
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from temporal.trace.pages import Page, anew, plain


async def test_a_page_follows_a_run_whose_worker_is_killed_and_shows_the_lost_attempt(project: AgentProject):
    project.outside.hold("tool")
    handle = await project.begin("actor", "Act 3 times.", "watched", events_per_run=40)
    page = Page(project.client, handle.workflow_id)
    worker = project.start_worker()
    await until(lambda: project.outside.in_flight("tool") == 1, "a call is in flight")
    held = await page.look()
    await worker.kill()
    project.outside.release()
    project.start_worker()
    while not (await page.look()).health.is_closed:
        await until(lambda: _has_news(page), "something has changed")
    last = plain(page.shown)

    assert held.entries[-1].state == "running"
    (struck,) = [row for row in last.entries if row.id == held.entries[-1].id]
    assert (struck.state, struck.attempts, struck.failures) == ("done", 2, 1)
    assert last == await anew(project.client, handle.workflow_id)
    assert len(last.parts) > 1
    assert len(page.got) > 2


async def _has_news(page: Page) -> bool:
    return (await page.outlines.outline(page.workflow_id, since=page.cursor)).cursor != page.cursor


@pytest.mark.embedded
async def test_a_page_goes_on_where_it_was_once_the_engine_is_back(own_project: AgentProject):
    project, home = own_project, Home(own_project.settings.home)
    project.outside.hold("tool")
    async with home.own(), EngineServer(home, project.settings) as engine:
        handle = await project.begin("actor", "Act 3 times.", "engine")
        worker = project.start_worker()
        page = Page(project.client, handle.workflow_id)
        await until(lambda: project.outside.in_flight("tool") == 1, "a call is in flight")
        await page.look()
        killed = engine.pid
        os.kill(killed, signal.SIGKILL)
        await until(lambda: engine.pid not in {killed, None}, "another engine")
        await until(lambda: _is_seen(page), "the page sees the run again")
        project.outside.release()
        await project.ended(handle)
        await until(lambda: _is_over(page), "the page sees its end")
        last, again = plain(page.shown), await anew(project.client, handle.workflow_id)
        await worker.terminate()

    assert last == again
    assert all(outline.is_delta for outline in page.got)
    assert [row.state for row in last.entries] == ["done"] * 7


async def _is_seen(page: Page) -> bool:
    try:
        await page.look()
    except RPCError:
        return False
    return True


async def _is_over(page: Page) -> bool:
    return (await page.look()).health.is_closed
