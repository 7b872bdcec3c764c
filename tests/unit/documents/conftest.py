"""A web server with faults, on loopback, and PDFs made by hand."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from outlive.contracts.batches import ReadingOptions
from outlive.documents.reader import Backoff, Reader

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
QUICK = Backoff(first_seconds=0.001, longest_seconds=0.002)


@dataclass
class Site:
    port: int = 0
    pages: dict[str, Handler] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0
    moments: list[float] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def serve(self, path: str, handler: Handler) -> str:
        self.pages[path] = handler
        return self.url(path)

    def page(self, path: str, body: bytes, content_type: str | None = "text/html", status: int = 200) -> str:
        headers = {} if content_type is None else {"Content-Type": content_type}

        async def handler(request: web.Request) -> web.StreamResponse:
            return web.Response(body=body, headers=headers, status=status)

        return self.serve(path, handler)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path] += 1
        self.moments.append(asyncio.get_running_loop().time())
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            handler = self.pages.get(request.path)
            return web.Response(status=404) if handler is None else await handler(request)
        finally:
            self.in_flight -= 1


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    runner = web.ServerRunner(web.Server(site.answer), shutdown_timeout=0.1)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    site.port = runner.addresses[0][1]
    yield site
    await runner.cleanup()


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    async with Reader(ReadingOptions(allow_private_addresses=True, timeout_seconds=20), backoff=QUICK) as reader:
        yield reader


def make_pdf(*pages: str, title: str = "", password: bytes | None = None) -> bytes:
    """Return a PDF with one line of text a page; an empty one draws a rectangle. Encrypted by RC4 with a password."""
    count = len(pages)
    kids = " ".join(f"{3 + 2 * index} 0 R" for index in range(count))
    last = 3 + 2 * count
    objects: dict[int, tuple[bytes, bytes | None]] = {
        1: (b"<< /Type /Catalog /Pages 2 0 R >>", None),
        2: (f"<< /Type /Pages /Count {count} /Kids [{kids}] >>".encode(), None),
        last: (b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", None),
    }
    for index, text in enumerate(pages):
        number = 3 + 2 * index
        resources = f"/Resources << /Font << /F1 {last} 0 R >> >> /Contents {number + 1} 0 R"
        objects[number] = (f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] {resources} >>".encode(), None)
        drawn = f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET" if text else "10 10 100 100 re f"
        objects[number + 1] = (b"", drawn.encode())
    trailer = b""
    if title:
        objects[last + 1] = (f"<< /Title ({title}) >>".encode(), None)
        trailer = b" /Info %d 0 R" % (last + 1)
    if password is not None:
        encryption, key, identity = _encryption(password)
        objects = {n: (d, s if s is None else _rc4(_object_key(key, n), s)) for n, (d, s) in objects.items()}
        objects[last + 2] = (encryption, None)
        trailer += b" /Encrypt %d 0 R /ID [<%s> <%s>]" % (last + 2, identity, identity)
    return _assembled(objects, trailer)


def _assembled(objects: dict[int, tuple[bytes, bytes | None]], trailer: bytes) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    places: dict[int, int] = {}
    for number, (dictionary, stream) in sorted(objects.items()):
        places[number] = len(out)
        body = dictionary
        if stream is not None:
            body = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start, size = len(out), max(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        out += b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 65535 f \n"
    out += b"trailer\n<< /Size %d /Root 1 0 R%s >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start)
    return bytes(out)


_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


def _encryption(password: bytes) -> tuple[bytes, bytes, bytes]:
    padded = (password + _PADDING)[:32]
    owner = _rc4(hashlib.md5(padded, usedforsecurity=False).digest()[:5], padded)
    identity = b"00112233445566778899aabbccddeeff"
    permissions = -4
    seed = padded + owner + permissions.to_bytes(4, "little", signed=True) + bytes.fromhex(identity.decode())
    key = hashlib.md5(seed, usedforsecurity=False).digest()[:5]
    user = _rc4(key, _PADDING)
    return (
        b"<< /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P %d >>"
        % (owner.hex().encode(), user.hex().encode(), permissions),
        key,
        identity,
    )


def _object_key(key: bytes, number: int) -> bytes:
    return hashlib.md5(key + number.to_bytes(3, "little") + b"\0\0", usedforsecurity=False).digest()[:10]


def _rc4(key: bytes, data: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


@pytest.fixture
def pdf() -> Callable[..., bytes]:
    return make_pdf
