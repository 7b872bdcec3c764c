"""A worker with slots by the machine's resources, autoscaled polls and traces does the same work."""

import asyncio

from aiohttp import web

from crash.batch.projects import APP, Project, texts
from fleets import standalone_worker


async def test_a_tuned_and_traced_worker_works_and_its_spans_tell_no_prompts(project: Project, batch_id: str, tmp_path):
    received: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        received.append(await request.read())
        return web.Response(content_type="application/x-protobuf")

    collector = web.Application()
    collector.router.add_post("/v1/traces", take)
    runner = web.AppRunner(collector)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    environment = project.environment | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{runner.addresses[0][1]}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OUTLIVE_TARGET_CPU": "0.95",
        "OUTLIVE_TARGET_MEMORY": "0.99",
        "OUTLIVE_POLLER_AUTOSCALING": "true",
    }
    try:
        async with standalone_worker(APP, environment, tmp_path) as worker:
            handle = await project.begin(texts(12), batch_id)
            ended = await project.ended(handle)
            worker.ask_to_stop()
            status = await worker.ended()
        spans = b"".join(received)
    finally:
        await runner.cleanup()
    await asyncio.sleep(0)

    assert status == 0
    assert ended.progress.done == 12
    assert b"RunActivity:outlive_work_window" in spans
    assert b"chat counting" in spans
    assert b"has to say" not in spans
