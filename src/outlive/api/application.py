"""The API of one project, as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from outlive.api import routes_batches, routes_hand_offs, routes_runs, routes_take_over
from outlive.api.connected import Connected
from outlive.api.guard import MAX_BODY_BYTES, Guard
from outlive.api.problems import MEDIA_TYPE, Problem, add_problems
from outlive.api.starting import app_view
from outlive.api.views import AppView
from outlive.app import App
from outlive.client import Client
from outlive.settings import Settings

DESCRIPTION = """
Start agents, plans and batches, follow them, and answer what waits for a person. Whatever is started here goes on
though this API, its workers or the engine die. Errors are problem details (RFC 9457).
"""

about = APIRouter(prefix="/v1", tags=["app"])


@about.get("/app")
async def get_app(client: Connected) -> AppView:
    """Return the agents, plans and batch functions that can be started."""
    return app_view(client)


def create_api(app: App, settings: Settings, *, max_body_bytes: int = MAX_BODY_BYTES) -> ASGIApp:
    """Return the API of an app, guarded as its settings say. The client is opened when the server starts."""
    return Guard(described_api(app, settings), token=settings.api_token, max_body_bytes=max_body_bytes)


def described_api(app: App, settings: Settings) -> FastAPI:
    """Return the API without its guard: for its description, and to be mounted in an application of your own."""

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        async with Client(settings, app=app) as client:
            api.state.client = client
            yield

    api = FastAPI(
        title="Outlive",
        version=version("outlive"),
        description=DESCRIPTION.strip(),
        docs_url=None,  # the pages would load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses={
            "default": {"model": Problem, "description": "It was not done.", "content": {MEDIA_TYPE: {}}},
        },
    )
    for router in (about, routes_take_over.router, routes_runs.router, routes_batches.router, routes_hand_offs.router):
        api.include_router(router)
    add_problems(api)
    return api
