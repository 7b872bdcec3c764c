"""Who may call the API, and with what: checked before anything of a request is looked at.

Without a token only programs of this machine are served, and no web page is: a page of somebody else's may send
requests to loopback from the reader's own browser (the `Origin` tells), also under a name of its own that it lets point
to 127.0.0.1 (the `Host` tells).
"""

import asyncio
import hmac
import ipaddress
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outlive.api.problems import problem

MAX_BODY_BYTES = 10_000_000  # documents sent along are in it; more of them go in parts, or by their addresses
BODY_SECONDS = 60.0  # that a caller may take to send its body
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Refusal(Exception):
    """A request that is not served.

    Attributes:
        status: Of the answer.
        headers: What the answer carries besides.
    """

    def __init__(self, status: HTTPStatus, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers or {}


class Guard:
    """Lets through what may pass, its body read whole."""

    def __init__(self, app: ASGIApp, *, token: str = "", max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._token = token.encode()
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            headers = _Headers(scope["headers"])
            self._check_caller(scope, headers)
            if scope["method"] in WRITES:
                _check_origin(headers)
            body = await self._read_body(headers, receive)
        except Refusal as refusal:
            await problem(refusal.status, str(refusal), headers=refusal.headers)(scope, receive, send)
            return
        await self._app(scope, _after(body, receive), _with_headers(send))

    def _check_caller(self, scope: Scope, headers: "_Headers") -> None:
        if self._token:
            kind, _, given = headers.get("authorization").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
                raise Refusal(
                    HTTPStatus.UNAUTHORIZED,
                    "The token is missing or wrong. Send it as `Authorization: Bearer TOKEN`; it is OUTLIVE_API_TOKEN.",
                    {"WWW-Authenticate": 'Bearer realm="outlive"'},
                )
            return
        client = scope.get("client")
        if client is None or not _is_loopback(client[0]):
            raise Refusal(HTTPStatus.FORBIDDEN, "Only this machine is served. Set OUTLIVE_API_TOKEN to serve others.")
        host = headers.get("host")
        if _name_of(host) not in LOCAL_NAMES:
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                f"The host {host!r} is not served. Call 127.0.0.1 or localhost, or set OUTLIVE_API_TOKEN.",
            )

    async def _read_body(self, headers: "_Headers", receive: Receive) -> bytes:
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
        if body and kind != "application/json":
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


class _Headers:
    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._raw = [(name.lower(), value.decode("latin-1")) for name, value in raw]

    def get(self, name: str) -> str:
        """Return a header, or "". One that is given twice is refused: which of them counts nobody can tell."""
        found = [value for key, value in self._raw if key == name.encode()]
        if len(found) > 1:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"The header {name!r} was given {len(found)} times. Send it once.")
        return found[0] if found else ""


def _check_origin(headers: _Headers) -> None:
    """Refuse what a page of another origin sends; programs send no origin."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    is_own = not origin or urlsplit(origin).netloc.lower() == headers.get("host").lower()
    if not is_own or site in {"cross-site", "same-site"}:
        raise Refusal(HTTPStatus.FORBIDDEN, f"Requests of the web page {origin or 'of another site'!r} are not served.")


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def _name_of(host: str) -> str:
    """Return the name in a `Host` header; "" where it holds anything else than a name and a port."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return ""
    is_plain = parts.netloc == host and "@" not in host
    return (parts.hostname or "").lower() if is_plain else ""


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
