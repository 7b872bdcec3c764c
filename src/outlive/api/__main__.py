"""``python -m outlive.api PORT [MODULE:APP]``: the API beside `outlive up`, until SIGTERM or until that is gone."""

import asyncio
import sys
from typing import Protocol

import uvicorn

from outlive.api.server import api_server, spare_imports
from outlive.app import App, load_app
from outlive.errors import OutliveError
from outlive.logs import log_to_stderr
from outlive.settings import Settings
from outlive.worker.children import parent_gone


class MakeServer(Protocol):
    """Makes the server of an app."""

    def __call__(self, app: App, settings: Settings, *, port: int) -> uvicorn.Server:
        """Return it."""


async def _run(make: MakeServer, port: int, reference: str | None, settings: Settings) -> None:
    server = make(load_app(reference), settings, port=port)
    spare_imports()

    def stop(_: object) -> None:
        server.should_exit = True

    orphaned = asyncio.create_task(parent_gone(drain_timeout=0))
    orphaned.add_done_callback(stop)
    await server.serve()
    orphaned.cancel()


def main(make: MakeServer = api_server) -> None:
    """Serve the API, or what stands on it."""
    try:
        settings = Settings.load()
        log_to_stderr(settings)
        asyncio.run(_run(make, int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None, settings))
    except OutliveError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
