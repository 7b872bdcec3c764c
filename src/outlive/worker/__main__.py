"""``python -m outlive.worker [MODULE:APP]``: one worker process, until SIGTERM or until its supervisor is gone."""

import asyncio
import logging
import sys

from outlive.app import load_app
from outlive.engine.connection import connect
from outlive.errors import OutliveError
from outlive.settings import Settings
from outlive.worker.children import parent_gone
from outlive.worker.process import serve, stop_on_signals


async def _run(reference: str | None) -> None:
    settings = Settings.load()
    stop = asyncio.Event()
    stop_on_signals(stop)
    orphaned = asyncio.create_task(parent_gone(drain_timeout=settings.drain_timeout))
    orphaned.add_done_callback(lambda _: stop.set())
    app = load_app(reference)
    await serve(await connect(settings), app, settings, stop)
    orphaned.cancel()


def main() -> None:
    """Run one worker process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(_run(sys.argv[1] if len(sys.argv) > 1 else None))
    except OutliveError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
