"""What a round removes, what it keeps, and when it removes nothing at all."""

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client, Interceptor, OutboundInterceptor
from temporalio.service import RPCError, RPCStatusCode

from outlive.engine import retained
from outlive.engine.processes import end
from outlive.errors import CollectionAborted, HousekeepingAborted
from outlive.housekeeping.rounds import keep_house
from outlive.ledger.ledger import Ledger
from outlive.worker.children import worker_environment

pytestmark = pytest.mark.embedded

SCRIPT = Path(__file__).with_name("dying.py")


async def test_what_is_left_of_a_run_that_the_engine_has_no_more_goes_and_the_rest_stays(project):
    await project.leave_traces("gone", "there")
    await project.start("there")
    await project.start("gone")
    await project.forget("gone")

    early = await project.round(now=datetime.now(UTC) + timedelta(days=80))
    before = await project.traces()
    report = await project.round()
    again = await project.round()

    assert early.forgotten == ()
    assert before == {"rows": {"gone", "there"}, "events": {"gone", "there"}}
    assert report.forgotten == ("gone",)
    assert (report.rows.calls, report.rows.answers, report.streams, report.payloads.removed) == (1, 1, 1, 1)
    assert report.payloads.removed_bytes > 0
    assert await project.traces() == {"rows": {"there"}, "events": {"there"}}
    assert await project.result_of("there") == "there" + "x" * 50_000
    assert (again.forgotten, again.payloads.removed) == ((), 0)
    assert await project.payload_count() == 1


async def test_a_dry_run_says_what_a_round_would_remove_and_removes_nothing(project):
    await project.leave_traces("gone", "there")
    await project.start("there")
    before = await project.traces()

    dry = await project.round(dry_run=True)
    after = await project.traces(), await project.payload_count()
    wet = await project.round()

    assert after == (before, 2)
    assert (dry.is_dry_run, wet.is_dry_run) == (True, False)
    assert (dry.forgotten, dry.rows, dry.streams, dry.payloads) == (wet.forgotten, wet.rows, wet.streams, wet.payloads)
    assert dry.forgotten == ("gone",)


async def test_a_result_within_the_retention_stays_although_the_engine_has_no_run_of_it(project):
    await project.leave_traces("young")

    report = await project.round(now=datetime.now(UTC) + timedelta(days=89))

    assert (report.forgotten, report.payloads.removed, report.payloads.kept) == ((), 0, 1)
    assert await project.result_of("young") == "young" + "x" * 50_000


async def test_what_an_activity_without_a_workflow_was_given_stays(project):
    await project.client.start_activity(
        "test_alone",
        "a" * 50_000,
        id="alone",
        task_queue="nobody",
        start_to_close_timeout=timedelta(minutes=1),
    )
    await project.client.data_converter.encode(["b" * 50_000])

    report = await project.round()

    assert (report.payloads.kept, report.payloads.removed) == (1, 1)


async def test_a_folder_that_another_engine_used_is_left_alone_until_somebody_says_that_it_is_gone(project):
    await project.leave_traces("gone")
    async with Ledger(project.home.ledger_db) as ledger:
        await ledger.call(ledger.retention.note_namespace, "another-id", "'default' at there:7233")

    with pytest.raises(HousekeepingAborted, match=r"there:7233.*Nothing was removed.*--others-are-gone"):
        await project.round()
    untouched = await project.traces(), await project.payload_count()
    dry = await project.round(dry_run=True, others_are_gone=True)
    with pytest.raises(HousekeepingAborted):
        await project.round()
    report = await project.round(others_are_gone=True)

    assert untouched == ({"rows": {"gone"}, "events": {"gone"}}, 1)
    assert dry.forgotten == report.forgotten == ("gone",)
    assert (await project.round()).forgotten == ()


class Failing(Interceptor):
    """A cluster that lists runs, and fails at what it is told to."""

    def __init__(self, *, unlisted: bool = False) -> None:
        self.unlisted = unlisted

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - as the SDK names it
        return _Failing(next, self.unlisted)


class _Nothing:
    def __aiter__(self):
        return self

    async def __anext__(self):
        raise StopAsyncIteration


class _Failing(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, unlisted: bool) -> None:  # noqa: A002 - as the SDK names it
        super().__init__(next)
        self.unlisted = unlisted

    def list_workflows(self, input):  # noqa: A002 - as the SDK names it
        return _Nothing() if self.unlisted else super().list_workflows(input)

    def fetch_workflow_history_events(self, input):  # noqa: A002 - as the SDK names it
        raise RPCError("the shard is lost", RPCStatusCode.INTERNAL, b"")


def failing(project, **options):
    config = project.client.config()
    config["interceptors"] = [Failing(**options)]
    return replace(project, client=Client(**config))


async def test_a_run_that_cannot_be_read_stops_the_round_before_anything_is_removed(project):
    await project.leave_traces("gone")
    await project.start("there")

    with pytest.raises(CollectionAborted, match=r"the shard is lost.*Nothing was removed"):
        await failing(project).round()

    assert await project.traces() == {"rows": {"gone"}, "events": {"gone"}}
    assert await project.payload_count() == 1


async def test_an_engine_that_does_not_list_what_it_has_stops_the_round(project, monkeypatch):
    await project.leave_traces("there", "gone")
    await project.start("there")
    monkeypatch.setattr(retained, "LISTING_DELAY", timedelta(0))

    with pytest.raises(HousekeepingAborted, match=r"the run 'there'.*does not list it.*Nothing was removed"):
        await failing(project, unlisted=True).round()

    assert (await project.traces())["rows"] == {"there", "gone"}
    assert await project.payload_count() == 2


async def test_a_run_that_is_not_listed_yet_is_none_that_is_gone(project):
    await project.leave_traces("there")
    await project.start("there")

    report = await failing(project, unlisted=True).round()

    assert report.forgotten == ()
    assert await project.result_of("there") == "there" + "x" * 50_000


async def test_two_rounds_at_once_remove_each_thing_once(project):
    await project.leave_traces("there", *(f"gone-{number}" for number in range(30)))
    await project.start("there")

    reports = await asyncio.gather(project.round(), project.round())

    assert sum(report.rows.calls for report in reports) == 30
    assert sum(report.streams for report in reports) == 30
    assert sum(report.payloads.removed for report in reports) == 30
    assert await project.traces() == {"rows": {"there"}, "events": {"there"}}
    assert await project.result_of("there") == "there" + "x" * 50_000


@pytest.mark.parametrize("table", ["effects", "answers", "streams", "chunks"])
async def test_a_round_killed_in_the_middle_loses_nothing_and_the_next_one_finishes(project, table):
    await project.leave_traces("there", *(f"gone-{number:02}" for number in range(50)))
    await project.start("there")
    process = await asyncio.create_subprocess_exec(
        sys.executable, SCRIPT, table, env=worker_environment(project.settings)
    )
    try:
        status = await process.wait()
    finally:
        await end(process, grace=1)
    at_death = await project.traces()
    result_at_death = await project.result_of("there")
    report = await project.round()

    assert status == -9
    assert "there" in at_death["rows"] & at_death["events"]
    assert result_at_death == await project.result_of("there") == "there" + "x" * 50_000
    removed = {
        "effects": report.rows.calls,
        "answers": report.rows.answers,
        "streams": report.streams,
        "chunks": report.payloads.removed,
    }
    assert removed[table] == 30
    assert await project.traces() == {"rows": {"there"}, "events": {"there"}}
    assert await project.payload_count() == 1


async def test_the_engine_is_asked_for_each_run_before_its_rows_go(project):
    """A run that waits for months has written nothing for as long, and needs all of it."""
    await project.leave_traces("waiting")
    await project.start("waiting")

    report = await keep_house(project.client, project.settings, now=datetime.now(UTC) + timedelta(days=4_000))

    assert report.forgotten == ()
    assert await project.traces() == {"rows": {"waiting"}, "events": {"waiting"}}
