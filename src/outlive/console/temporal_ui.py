"""Temporal's own Web UI under the console's origin and sign-in: it has none of its own."""

import json
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from yarl import URL

from outlive.api.access import CALLER, Caller
from outlive.api.problems import problem
from outlive.api.roles import Role
from outlive.engine.binary import UI_PATH
from outlive.engine.connection import configured_cluster
from outlive.engine.home import Home
from outlive.settings import Settings

LINK = f"{UI_PATH}/"
CODEC_PATH = "/codec"
SETTINGS_PATH = f"{UI_PATH}/api/v1/settings"
CONNECT_SECONDS = 3.0
SILENT_SECONDS = 70.0  # between two parts of an answer: its long polls take up to 60
CHUNK = 64 * 1024
HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    }
)
NOT_PASSED_ON = HOP_BY_HOP | {"host", "authorization", "cookie", "origin", "referer", "content-length"}
UI_COOKIES = ("_csrf", "locale")  # of Temporal's UI: no other, and never our session, is passed on


class TemporalUi:
    """Passes requests on to the Web UI of the project's engine, or of the cluster that is configured."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._home = Home(settings.home)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS)
        jar = aiohttp.DummyCookieJar()
        self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=jar, auto_decompress=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def link(self) -> str | None:
        """Where people find it: here, elsewhere, or nowhere."""
        address = self._address()
        return address if address is None or not _is_ours(address) else LINK

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (await self._answer(scope, receive))(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        if scope["path"] == UI_PATH:
            return RedirectResponse(LINK)
        address = self._address()
        if address is None or not _is_ours(address):
            said = "Temporal's Web UI is not known here. Start `outlive up`, or set OUTLIVE_TEMPORAL_UI."
            return problem(HTTPStatus.NOT_FOUND, said)
        assert self._session is not None, "the console is not started"
        parts = urlsplit(address)
        base = f"{parts.scheme}://{parts.netloc}"
        path = scope.get("raw_path") or scope["path"].encode()
        query = scope["query_string"]
        url = URL(base + path.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else ""), encoded=True)
        body = await _body(receive)
        try:
            answer = await self._session.request(
                scope["method"], url, headers=_passed_on(scope, base), data=body or None, allow_redirects=False
            )
        except (aiohttp.ClientError, TimeoutError):
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "Temporal's Web UI does not answer. `outlive doctor` looks.")
        if scope["path"] == SETTINGS_PATH and answer.status == HTTPStatus.OK:
            return await _own_settings(answer, scope.get(CALLER))
        return _passed_back(answer, base)

    def _address(self) -> str | None:
        if self._settings.temporal_ui:
            return self._settings.temporal_ui
        if configured_cluster():
            return None
        state = self._home.live_state()
        return state.ui_address if state is not None else None


def _is_ours(address: str) -> bool:
    """Return whether a UI knows the path that it would have here: its pages name it in each link."""
    return urlsplit(address).path.rstrip("/") == UI_PATH


async def _body(receive: Receive) -> bytes:
    """Return the body, which the guard has read already."""
    return bytes((await receive()).get("body", b""))


def _passed_on(scope: Scope, base: str) -> list[tuple[str, str]]:
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    passed = [(name, value) for name, value in headers if name not in NOT_PASSED_ON]
    if cookies := _ui_cookies(value for name, value in headers if name == "cookie"):
        passed.append(("cookie", cookies))
    if any(name == "origin" for name, _ in headers):
        passed.append(("origin", base))  # the guard has compared the browser's with our own
    is_read_here = scope["path"] == SETTINGS_PATH
    if is_read_here or not any(name == "accept-encoding" for name, _ in passed):
        passed = [(name, value) for name, value in passed if name != "accept-encoding"]
        passed.append(("accept-encoding", "identity"))  # aiohttp would ask for what the caller cannot unpack
    return passed


def _ui_cookies(values: Iterable[str]) -> str:
    cookies = [part.strip() for value in values for part in value.split(";")]
    return "; ".join(cookie for cookie in cookies if cookie.partition("=")[0] in UI_COOKIES)


def _passed_back(answer: aiohttp.ClientResponse, base: str) -> Response:
    passed = StreamingResponse(_parts(answer), status_code=answer.status)
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in answer.headers.items()
        if name.lower() not in HOP_BY_HOP
    ]
    passed.raw_headers = [
        (name, value.removeprefix(base.encode()) if name == b"location" else value) for name, value in headers
    ]
    return passed


async def _parts(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for part in answer.content.iter_chunked(CHUNK):
            yield part
    finally:
        answer.close()


async def _own_settings(answer: aiohttp.ClientResponse, caller: Caller | None) -> Response:
    """Return the UI's settings with the codec that is served beside it, so that it shows values as people read them.

    Whoever may not operate is not shown what they may not do.
    """
    async with answer:
        found = json.loads(await answer.read())
    found["Codec"] = {**(found.get("Codec") or {}), "Endpoint": CODEC_PATH}
    if caller is not None and caller.role < Role.OPERATE:
        found["DisableWriteActions"] = True
    ours = Response(json.dumps(found), media_type="application/json")
    ours.raw_headers += [(b"set-cookie", value.encode("latin-1")) for value in answer.headers.getall("Set-Cookie", [])]
    return ours
