"""The console of one project, as an ASGI application: pages, the API that they read, and Temporal's own Web UI."""

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from outlive.api.access import Access, Headers, Refusal
from outlive.api.application import described_api
from outlive.api.guard import Guard
from outlive.app import App
from outlive.codec_endpoint import LARGEST_REQUEST, codec_app
from outlive.console import demo_routes, session_routes
from outlive.console.headers import OURS, TEMPORALS, with_headers
from outlive.console.pages import STATIC, Pages
from outlive.console.parts import Demonstration, Parts
from outlive.console.temporal_ui import CODEC_PATH, TemporalUi
from outlive.engine.binary import UI_PATH
from outlive.settings import Settings

API_PATHS = ("/v1", "/openapi.json")


def create_console(
    app: App, settings: Settings, *, demo: Demonstration | None = None, static: Path = STATIC
) -> "Console":
    """Return the console of an app, guarded as its settings say. The client is opened when the server starts.

    Args:
        demo: The demonstration that it is the console of.
        static: Folder of the built pages.
    """
    access, ui = Access(settings), TemporalUi(settings)
    api = console_api(app, settings, Parts(access=access, temporal_ui=ui, demo=demo))
    return Console(
        api,
        guarded=Guard(api, access),
        pages=_Pages(Pages(static), access),
        temporal=Guard(ui, access, any_type=True),
        codec=Guard(_below(CODEC_PATH, codec_app(settings)), access, max_body_bytes=LARGEST_REQUEST),
    )


def console_api(app: App, settings: Settings, parts: Parts) -> FastAPI:
    """Return the API with the console's own routes, without its guard."""
    api = described_api(
        app, settings, routers=(session_routes.router, demo_routes.router), alongside=(parts.temporal_ui,)
    )
    api.state.console = parts
    return api


class Console:
    """The console as an application: gives each request to what it is for."""

    def __init__(self, api: FastAPI, *, guarded: ASGIApp, pages: ASGIApp, temporal: ASGIApp, codec: ASGIApp) -> None:
        self._state = api.state
        self._api = with_headers(guarded, OURS)
        self._pages = with_headers(pages, OURS)
        self._temporal = with_headers(temporal, TEMPORALS)
        self._codec = with_headers(codec, OURS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the server."""
        await self._part(scope)(scope, receive, send)

    def end_streams(self) -> None:
        """Let the streams of all pages end; what pages ask for afterwards ends at once."""
        if (hub := getattr(self._state, "hub", None)) is not None:
            hub.stop()

    def _part(self, scope: Scope) -> ASGIApp:
        if scope["type"] != "http" or _is_below(scope["path"], *API_PATHS):
            return self._api
        if _is_below(scope["path"], UI_PATH):
            return self._temporal
        return self._codec if _is_below(scope["path"], CODEC_PATH) else self._pages


class _Pages:
    """The pages, for whoever calls this console by a name of its own: they hold nothing but the program."""

    def __init__(self, pages: Pages, access: Access) -> None:
        self._pages = pages
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        try:
            self._access.check_host(Headers(scope["headers"]))
        except Refusal as refusal:
            await Response(str(refusal), status_code=refusal.status, media_type="text/plain")(scope, receive, send)
            return
        await self._pages(scope, receive, send)


def _below(prefix: str, app: ASGIApp) -> ASGIApp:
    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(prefix)
        await app({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    return served


def _is_below(path: str, *prefixes: str) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)
