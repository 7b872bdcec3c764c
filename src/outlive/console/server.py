"""The console's server."""

import asyncio
import socket
from pathlib import Path

import uvicorn

from outlive.api.server import configured
from outlive.app import App
from outlive.console.application import Console, create_console
from outlive.console.pages import STATIC
from outlive.console.parts import Demonstration
from outlive.engine.ports import LOOPBACK
from outlive.settings import Settings


class ConsoleServer(uvicorn.Server):
    """Ends the streams of all pages when it stops: they would hold it up, and go on at the next one.

    Attributes:
        listening: Set once it takes requests.
    """

    def __init__(self, console: Console, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._console = console

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if self.started:
            self.listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving."""
        self._console.end_streams()
        await super().shutdown(sockets)


def console_server(
    app: App,
    settings: Settings,
    *,
    host: str = LOOPBACK,
    port: int,
    demo: Demonstration | None = None,
    static: Path = STATIC,
) -> ConsoleServer:
    """Return the server of an app's console; ``await server.serve()`` serves until SIGTERM or Ctrl-C.

    Args:
        demo: The demonstration that it is the console of.
        static: Folder of the built pages.

    Raises:
        SettingError: If the address is not one of this machine alone, and there is no token.
    """
    console = create_console(app, settings, demo=demo, static=static)
    return ConsoleServer(console, configured(console, settings, host=host, port=port))
