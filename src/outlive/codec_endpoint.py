"""The endpoint that Temporal's Web UI and command line ask to decrypt what they show.

It answers ``POST /decode`` and ``POST /encode``, as Temporal's codec servers do. It is an open door to all that is
encrypted, so it wants a token: as ``Authorization: Bearer TOKEN``, or as the first part of the path, since the UI sends
no header of its own: ``http://127.0.0.1:8081/TOKEN`` is the address to give it.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence

import uvicorn
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import DataConverter

from outlive.engine.connection import data_converter
from outlive.engine.envelopes import CONVERSATION, ENCODING, encoding_of
from outlive.errors import OutliveError
from outlive.settings import Settings

SHORTEST_TOKEN = 16  # characters: one that is printed has 43
LARGEST_REQUEST = 20_000_000  # bytes of JSON; a history's payloads are below 2 MB each
HEADERS = ("authorization", "authorization-extras", "content-type", "x-namespace")  # what the UI may send
Change = Callable[[Payload], Awaitable[Payload]]
UNAUTHORIZED, TOO_LARGE, UNREADABLE = 401, 413, 422


def codec_app(settings: Settings, *, token: str | None = None, origins: Sequence[str] = ()) -> Starlette:
    """Return the endpoint as an application: to be served by itself, or mounted in another.

    Args:
        settings: Whose keys and payload store are used.
        token: What callers have to know; None where a guard stands before it.
        origins: Addresses of web pages that may call it, such as ``http://localhost:8233``.
    """
    converter = data_converter(settings)

    async def decode(request: Request) -> Response:
        return await _answer(request, token, lambda payload: _decoded(converter, payload))

    async def encode(request: Request) -> Response:
        return await _answer(request, token, lambda payload: _encoded(converter, payload))

    routes = [
        Route(f"{prefix}/{name}", handler, methods=["POST"])
        for name, handler in (("decode", decode), ("encode", encode))
        for prefix in (("",) if token is None else ("", "/{token}"))
    ]
    cross_origin = Middleware(
        CORSMiddleware, allow_origins=list(origins), allow_methods=["POST"], allow_headers=HEADERS
    )
    return Starlette(routes=routes, middleware=[cross_origin])


def codec_server(settings: Settings, *, token: str, origins: Sequence[str], host: str, port: int) -> uvicorn.Server:
    """Return a server of the endpoint; ``await server.serve()`` serves until SIGTERM or Ctrl-C."""
    config = uvicorn.Config(
        codec_app(settings, token=token, origins=origins),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,  # paths hold the token
        server_header=False,
        proxy_headers=False,
        lifespan="off",
    )
    return uvicorn.Server(config)


async def _answer(request: Request, token: str | None, change: Change) -> Response:
    if token is not None and not _is_allowed(request, token):
        return _problem(UNAUTHORIZED, "The token is missing or wrong. `outlive codec` prints the address with it.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_REQUEST:
            return _problem(TOO_LARGE, f"The request is larger than {LARGEST_REQUEST:,} bytes.")
    try:
        asked = Parse(bytes(body), Payloads(), ignore_unknown_fields=True)
    except (ParseError, UnicodeDecodeError):
        return _problem(UNREADABLE, "The request is no JSON of Temporal payloads.")
    try:
        changed = [await change(payload) for payload in asked.payloads]
    except OutliveError as error:
        return _problem(UNREADABLE, str(error))
    return Response(MessageToJson(Payloads(payloads=changed), indent=None), media_type="application/json")


def _is_allowed(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        given = ""
    shown = request.path_params.get("token") or given.strip()
    return hmac.compare_digest(str(shown).encode(), token.encode())


async def _decoded(converter: DataConverter, payload: Payload) -> Payload:
    """Return a payload as people read it: also one whose messages lie in the payload store."""
    if converter.payload_codec is None:
        return payload
    (opened,) = await converter.payload_codec.decode([payload])
    if encoding_of(opened) != CONVERSATION:
        return opened
    (value,) = await asyncio.to_thread(converter.payload_converter.from_payloads, [opened])
    return Payload(metadata={ENCODING: b"json/plain"}, data=to_json(value, fallback=repr))


async def _encoded(converter: DataConverter, payload: Payload) -> Payload:
    if converter.payload_codec is None:
        return payload
    (sealed,) = await converter.payload_codec.encode([payload])
    return sealed


def _problem(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status_code=status)
