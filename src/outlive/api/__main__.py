"""``python -m outlive.api PORT [MODULE:APP]``: the API beside `outlive up`, until SIGTERM or until that is gone."""

import asyncio
import sys

from outlive.api.server import api_server
from outlive.app import load_app
from outlive.errors import OutliveError
from outlive.logs import log_to_stderr
from outlive.settings import Settings
from outlive.worker.children import parent_gone


async def _run(port: int, reference: str | None, settings: Settings) -> None:
    server = api_server(load_app(reference), settings, port=port)

    def stop(_: object) -> None:
        server.should_exit = True

    orphaned = asyncio.create_task(parent_gone(drain_timeout=0))
    orphaned.add_done_callback(stop)
    await server.serve()
    orphaned.cancel()


def main() -> None:
    """Serve the API."""
    try:
        settings = Settings.load()
        log_to_stderr(settings)
        asyncio.run(_run(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None, settings))
    except OutliveError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
