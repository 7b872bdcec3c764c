"""What effects are done to: an HTTP service that counts, and that can be told when to kill who asks it."""

import json
import os
import signal
from collections import Counter

from aiohttp import web

from outlive.testing.loopback import LoopbackServer, json_response


class Receiver(LoopbackServer):
    """``POST /effects`` does an effect, ``GET /effects/KEY`` tells whether one was done under a key.

    Attributes:
        done: How often each run's effect was done.
        asked: How often each was asked for.
        victims: Process to kill when a run's effect is done and its answer is not out yet.
    """

    def __init__(self) -> None:
        super().__init__(self._handle)
        self.done: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.victims: dict[str, int] = {}
        self._by_key: dict[str, str] = {}

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        key = request.headers.get("Idempotency-Key") or request.path.rpartition("/")[2]
        if request.method == "GET":
            return json_response({"said": self._by_key.get(key)})
        asked = json.loads(await request.read())
        run = asked["run"]
        self.asked[run] += 1
        if not (asked["honoured"] and key in self._by_key):
            self.done[run] += 1
            self._by_key[key] = f"did {asked['number']}"
        if (victim := self.victims.pop(run, None)) is not None:
            os.kill(victim, signal.SIGKILL)
        return json_response({"said": self._by_key[key]})
