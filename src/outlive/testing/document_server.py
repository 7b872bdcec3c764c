"""A document server on loopback that counts: the files of a folder, generated documents, and every kind of bad one.

``python -m outlive.testing.document_server --folder DIR --generated 1000`` prints its address; in a test::

    async with DocumentServer(folder=tmp_path, generated=100) as server:
        server.address + "/files/a/b.txt"     # a file of the folder
        server.address + "/generated/17"      # always the same text
        server.address + "/faults/endless/1"  # one of FAULTS
        server.counts["/generated/17"].completed

``GET /_counts`` gives the sums, and with ``?documents=all`` or ``?documents=repeated`` each path's.
"""

import argparse
import asyncio
import mimetypes
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from aiohttp import web

from outlive.testing.loopback import LoopbackServer, json_response, serve_until_signalled

_NOUNS = (
    "account agreement amount answer archive balance carrier claim clause client contract cost customer date decision "
    "delay delivery department evidence figure finding harbour insurance invoice letter limit loss market measure "
    "method notice office order owner paper payment period person place plan policy price process product question "
    "record region report request result review risk rule sample schedule section service ship shipment source "
    "standard storage supplier system table team term test time transfer value vessel warehouse weather week witness"
)
_VERBS = "accepts carries changes covers delays describes explains follows names needs records replaces shows"
SLOW_SECONDS = 2.0
ENDLESS_PAUSE_SECONDS = 0.002


@dataclass(slots=True)
class PathCount:
    """How often one path was asked for, when last, and how often its answer was sent to the last byte.

    Attributes:
        last_begun: Seconds since the epoch.
    """

    begun: int = 0
    completed: int = 0
    last_begun: float = 0.0


def generated_document(number: int) -> str:
    """Return 2 to 4 KB of plain English-looking sentences, always the same for the same number."""
    nouns, verbs = _NOUNS.split(), _VERBS.split()
    chance = random.Random(number)  # noqa: S311 - the same text for the same number
    length = chance.randrange(2_000, 4_000)
    parts = [f"Record {number}."]
    size = 0
    while size < length:
        subject, thing, other = chance.choices(nouns, k=3)
        parts.append(f"The {subject} of {thing} {chance.choice(verbs)} the {other} in {chance.randrange(1990, 2030)}.")
        size += len(parts[-1]) + 1
    return " ".join(parts)


class DocumentServer(LoopbackServer):
    """The server, in this process.

    Args:
        folder: Its files are served under ``/files/``; nothing outside it is.
        generated: How many documents there are under ``/generated/``, from 0.
        port: 0 takes a free one.
        latency: Seconds before each answer.
    """

    def __init__(self, *, folder: Path | None = None, generated: int = 0, port: int = 0, latency: float = 0.0) -> None:
        super().__init__(self._handle, port=port)
        self.latency = latency
        self.counts: dict[str, PathCount] = {}
        self._folder = folder.resolve() if folder else None
        self._generated = generated

    def urls(self) -> list[str]:
        """Return the URL of every file and every generated document."""
        names = sorted(path for path in self._folder.rglob("*") if path.is_file()) if self._folder else []
        files = [f"{self.address}/files/{quote(str(path.relative_to(self._folder or path)))}" for path in names]
        return files + [f"{self.address}/generated/{number}" for number in range(self._generated)]

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/_counts":
            return self._counted(request.query.get("documents"))
        count = self.counts.setdefault(request.path, PathCount())
        count.begun += 1
        count.last_begun = time.time()
        if self.latency:
            await asyncio.sleep(self.latency)
        response = await self._respond(request)
        if not response.prepared:
            await response.prepare(request)
            await response.write_eof()
        if request.transport is not None and not request.transport.is_closing():
            count.completed += 1
        return response

    def _counted(self, wanted: str | None) -> web.Response:
        counts = self.counts
        totals: dict[str, object] = {
            "paths": len(counts),
            "begun": sum(count.begun for count in counts.values()),
            "completed": sum(count.completed for count in counts.values()),
            "repeated": sum(count.begun - 1 for count in counts.values()),
        }
        if wanted:
            totals["by_path"] = {
                path: asdict(count) for path, count in counts.items() if count.begun > 1 or wanted == "all"
            }
        return json_response(totals)

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        kind, _, rest = request.path.lstrip("/").partition("/")
        if kind == "files" and self._folder is not None:
            return await self._file(unquote(rest))
        if kind == "generated" and rest.isdecimal() and int(rest) < self._generated:
            return web.Response(text=generated_document(int(rest)))
        if kind == "faults" and (fault := FAULTS.get(rest.partition("/")[0])):
            return await fault(request)
        return web.Response(status=404, text="There is no such document here.")

    async def _file(self, name: str) -> web.Response:
        assert self._folder is not None
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            return web.Response(status=404, text="There is no such document here.")
        kind = mimetypes.guess_type(path.name)[0] or "text/plain"
        body = await asyncio.to_thread(path.read_bytes)
        return web.Response(body=body, headers={"Content-Type": kind})


async def _missing(_request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=404, text="There is no such document here.")


async def _unavailable(_request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=503, text="Not now.", headers={"Retry-After": "0"})


async def _empty(_request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=b"", headers={"Content-Type": "text/html"})


async def _binary(_request: web.BaseRequest) -> web.StreamResponse:
    body = random.Random(0).randbytes(4_096)  # noqa: S311 - rubbish, but always the same
    return web.Response(body=body, headers={"Content-Type": "application/octet-stream"})


async def _slow(request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(SLOW_SECONDS)
    return web.Response(text=generated_document(len(request.path)))


async def _stalled(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain", "Content-Length": "100000"})
    await response.prepare(request)
    await response.write(b"The first words, and then nothing. ")
    await asyncio.Event().wait()
    return response


async def _endless(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    while True:
        await response.write(b"and so on, " * 1_000)
        await asyncio.sleep(ENDLESS_PAUSE_SECONDS)


async def _cut(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain", "Content-Length": "100000"})
    await response.prepare(request)
    await response.write(b"The first words, and then the line is cut. ")
    if request.transport is not None:
        request.transport.close()
    return response


async def _circle(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": request.path})


FAULTS: dict[str, Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] = {
    "missing": _missing,
    "unavailable": _unavailable,
    "empty": _empty,
    "binary": _binary,
    "slow": _slow,
    "stalled": _stalled,
    "endless": _endless,
    "cut": _cut,
    "circle": _circle,
}
"""Bad documents by name, under ``/faults/NAME`` and ``/faults/NAME/anything``."""


def main() -> None:
    """Serve from the command line until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m outlive.testing.document_server", description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--generated", type=int, default=0, help="how many documents to make up")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    asyncio.run(serve_until_signalled(DocumentServer(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
