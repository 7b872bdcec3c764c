"""What stands before the API: who is served, with which role, and how much they may send.

Checked before anything else of a request is looked at; `outlive.api.access` decides.
"""

import asyncio
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outlive.api.access import CALLER, Access, Headers, Refusal
from outlive.api.problems import problem

MAX_BODY_BYTES = 10_000_000  # documents sent along are in it; more of them go in parts, or by their addresses
BODY_SECONDS = 60.0  # that a caller may take to send its body


class Guard:
    """Lets through what may pass, its body read whole."""

    def __init__(
        self, app: ASGIApp, access: Access, *, max_body_bytes: int = MAX_BODY_BYTES, any_type: bool = False
    ) -> None:
        """Take what it guards.

        Args:
            any_type: Whether bodies may be of any type. Of JSON a browser asks before it sends it to another origin.
        """
        self._app = app
        self._access = access
        self._max_body_bytes = max_body_bytes
        self._any_type = any_type

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            headers = Headers(scope["headers"])
            caller = self._access.check(scope, headers)
            body = await self._read_body(headers, receive)
        except Refusal as refusal:
            await problem(refusal.status, str(refusal), headers=refusal.headers)(scope, receive, send)
            return
        await self._app({**scope, CALLER: caller}, _after(body, receive), _with_headers(send))

    async def _read_body(self, headers: Headers, receive: Receive) -> bytes:
        length = headers.get("content-length")
        if length.isdecimal() and int(length) > self._max_body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":  # the caller is gone
                        break
                    body += message.get("body", b"")
                    if len(body) > self._max_body_bytes:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        break
        except TimeoutError as error:
            raise Refusal(
                HTTPStatus.REQUEST_TIMEOUT, f"The body did not come within {BODY_SECONDS:.0f} s. Send it again."
            ) from error
        kind = headers.get("content-type").partition(";")[0].strip().lower()
        if body and kind != "application/json" and not self._any_type:
            raise Refusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"The body is {kind or 'of no declared type'!r}. Send `Content-Type: application/json`.",
            )
        return bytes(body)

    def _too_large(self) -> Refusal:
        return Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body has more than {self._max_body_bytes:,} bytes. Send less, or the addresses of what is large.",
        )


def _after(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body that was read, and then whatever else comes."""
    is_given = False

    async def again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", []), (b"x-content-type-options", b"nosniff")]
            if not any(name.lower() == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await send(message)

    return sending
