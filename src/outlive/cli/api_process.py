"""The console, or the API alone, as a process beside the workers of `outlive up`.

It is kept alive, and started anew when the app's files change.
"""

import asyncio
import sys
from collections.abc import Callable

from outlive.engine.home import Home
from outlive.engine.logfile import LogFile
from outlive.settings import Settings
from outlive.worker.children import WorkerChild

PAUSE_SECONDS = 2.0  # an app that cannot be imported is tried again, and does not keep a core busy


class ApiProcess:
    """The process of console and API over all its lives."""

    def __init__(
        self, settings: Settings, *, app: str | None, port: int, say: Callable[[str], None], has_pages: bool
    ) -> None:
        home = Home(settings.home)
        home.create()
        module = "outlive.console" if has_pages else "outlive.api"
        self._name = "console" if has_pages else "API"
        self._settings = settings
        self._command = [sys.executable, "-m", module, str(port), *([app] if app else [])]
        self._log = LogFile(home.logs / f"{self._name.lower()}.log")
        self._say = say
        self._child: WorkerChild | None = None
        self._is_wanted = False

    async def keep(self) -> None:
        """Start it, and start it again whenever it ends; ends only by cancellation, and the process with it."""
        told = False
        try:
            while True:
                self._is_wanted = False
                child = await WorkerChild.start(self._command, index=0, settings=self._settings, log=self._log)
                self._child = child
                status = await child.wait()
                self._child = None
                child.close()
                if self._is_wanted:
                    continue
                if not told:
                    last = child.last_words().strip().rpartition("\n")[2]
                    self._say(f"the {self._name} ended with status {status}; it is tried again. Its last words: {last}")
                told = True
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            if self._child is not None:
                await self._child.stop(drain_timeout=0)
                self._child.close()

    async def restart(self) -> None:
        """Start it anew, with the code that there is now."""
        self._is_wanted = True
        if self._child is not None:
            await self._child.stop(drain_timeout=0)
