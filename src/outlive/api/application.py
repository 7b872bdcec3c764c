"""The API of one project, as an ASGI application."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from outlive.api import (
    routes_batches,
    routes_documents,
    routes_hand_offs,
    routes_live,
    routes_pages,
    routes_runs,
    routes_take_over,
    routes_traces,
)
from outlive.api.access import Access
from outlive.api.connected import Connected
from outlive.api.guard import MAX_BODY_BYTES, Guard
from outlive.api.hub import Hub
from outlive.api.problems import MEDIA_TYPE, Problem, add_problems
from outlive.api.starting import app_view
from outlive.api.topics import TOPICS
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
    return Guard(described_api(app, settings), Access(settings), max_body_bytes=max_body_bytes)


def described_api(
    app: App,
    settings: Settings,
    *,
    routers: Sequence[APIRouter] = (),
    alongside: Sequence[AbstractAsyncContextManager[object]] = (),
) -> FastAPI:
    """Return the API without its guard: for its description, and to be mounted in an application of your own.

    Args:
        routers: Routes of your own beside its own.
        alongside: What is open for as long as it is served.
    """

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(Client(settings, app=app))
            api.state.client, api.state.hub = client, Hub(client, TOPICS)
            await stack.enter_async_context(aclosing(api.state.hub))
            for opened in alongside:
                await stack.enter_async_context(opened)
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
    runs = (routes_traces, routes_take_over, routes_runs)  # in this order: the path of a run takes any
    own = (*runs, routes_batches, routes_documents, routes_hand_offs, routes_pages, routes_live)
    for router in (about, *(one.router for one in own), *routers):
        api.include_router(router)
    add_problems(api)
    return api
