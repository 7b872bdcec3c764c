"""Signing in and out."""

from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field
from starlette.exceptions import HTTPException

from outlive.api.access import CALLER, LOCAL, Access, Caller, cookie_name
from outlive.api.bodies import Body
from outlive.api.connected import Connected
from outlive.api.problems import Problem
from outlive.api.sessions import LONGEST_SECONDS
from outlive.api.views import View
from outlive.console.attempts import WRONG_ALLOWED
from outlive.console.parts import Parts, parts_of

router = APIRouter(prefix="/v1", tags=["session"])
RoleWord = Literal["look", "decide", "operate"]


class SessionView(View):
    """Who looks at the console, and what they may do."""

    role: RoleWord | None = Field(description="Null for somebody who has to sign in first.")
    name: str = Field(description="As they call themselves; empty without a session.")
    needs_sign_in: bool
    csrf: str | None = Field(default=None, description="For the header X-CSRF-Token of every write of a session.")
    version: str = Field(default="", description="Of Outlive; empty for somebody who has to sign in first.")
    project: str = Field(default="", description="Name of the app; likewise.")
    demo: bool = Field(default=False, description="Whether this is the demonstration, with something to kill.")
    temporal_ui: str | None = Field(default=None, description="Where Temporal's Web UI is; null where none is known.")


class SignInBody(Body):
    """Sign in."""

    token: str = Field(max_length=1_000, description="OUTLIVE_API_TOKEN, or that of another role.")
    name: str = Field(min_length=1, max_length=200, pattern=r"\S", description="Decisions are made under it.")


Own = Annotated[Parts, Depends(parts_of)]


@router.get("/session")
async def get_session(request: Request, client: Connected, own: Own) -> SessionView:
    """Return who looks at the console."""
    caller = _caller(request, own.access)
    if caller is None:
        return SessionView(role=None, name="", needs_sign_in=True)
    return _view(caller, client.app.name, own)


@router.post(
    "/session",
    responses={
        401: {"model": Problem, "description": "The token is wrong."},
        429: {"model": Problem, "description": "Too many wrong tokens came from this address."},
    },
)
async def sign_in(request: Request, response: Response, client: Connected, own: Own, body: SignInBody) -> SessionView:
    """Sign in, for 12 hours: a cookie is set, and the answer holds what comes with each write."""
    if not own.access.needs_token:
        raise HTTPException(HTTPStatus.CONFLICT, "Nobody has to sign in here: no token is set.")
    address = request.client.host if request.client else ""
    if wait := own.attempts.wait(address):
        raise HTTPException(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"{WRONG_ALLOWED} wrong tokens came from {address!r} within a minute. Try again in {wait:.0f} s.",
            headers={"Retry-After": str(int(wait) + 1)},
        )
    role = own.access.role_of(body.token)
    if role is None:
        await own.attempts.note_wrong(address)
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "The token is wrong. It is OUTLIVE_API_TOKEN, or another role's.")
    session, cookie = own.access.sessions.new(role, body.name.strip())
    response.set_cookie(
        cookie_name(request.headers.get("host", "")),
        cookie,
        max_age=LONGEST_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.headers.get("origin", "").startswith("https://"),
    )
    return _view(Caller(role=role, session=session), client.app.name, own)


@router.delete("/session", status_code=HTTPStatus.NO_CONTENT)
async def sign_out(request: Request, response: Response, own: Own) -> None:
    """End the session."""
    caller = request.scope.get(CALLER)
    if isinstance(caller, Caller) and caller.session is not None:
        own.access.sessions.end(caller.session.id)
    response.delete_cookie(cookie_name(request.headers.get("host", "")), httponly=True, samesite="strict")


def _caller(request: Request, access: Access) -> Caller | None:
    caller = request.scope.get(CALLER)
    if isinstance(caller, Caller):
        return caller
    return None if access.needs_token else LOCAL


def _view(caller: Caller, project: str, own: Parts) -> SessionView:
    words: dict[int, RoleWord] = {1: "look", 2: "decide", 3: "operate"}
    return SessionView(
        role=words[caller.role],
        name=caller.name,
        needs_sign_in=False,
        csrf=own.access.sessions.csrf_token(caller.session) if caller.session else None,
        version=version("outlive"),
        project=project,
        demo=own.demo is not None,
        temporal_ui=own.temporal_ui.link,
    )
