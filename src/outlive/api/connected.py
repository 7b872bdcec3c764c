"""What the routes of the API share: the client, and what callers give in headers and queries."""

from typing import Annotated

from fastapi import Depends, Header, Query, Request

from outlive.api.access import CALLER, LOCAL, Caller
from outlive.api.bodies import Id
from outlive.client import Client
from outlive.errors import UsageError

LONGEST_WAIT = 60  # seconds: below what proxies give a request


def client_of(request: Request) -> Client:
    """Return the client that the API was started with."""
    client = request.app.state.client
    assert isinstance(client, Client)
    return client


def caller_of(request: Request) -> Caller:
    """Return who the request comes from, as the guard has found."""
    caller = request.scope.get(CALLER)
    return caller if isinstance(caller, Caller) else LOCAL  # mounted elsewhere, with a guard of its own


Acting = Annotated[Caller, Depends(caller_of)]
Connected = Annotated[Client, Depends(client_of)]
Wait = Annotated[
    float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for the end before it is said that there is none.")
]
IdempotencyKey = Annotated[
    Id | None, Header(alias="Idempotency-Key", description="Taken as the id where the body has none.")
]


def one_id(given: str | None, key: str | None) -> str | None:
    """Return the id that the body or the header gives.

    Raises:
        UsageError: If both give one, and not the same.
    """
    if given is not None and key is not None and given != key:
        raise UsageError(f"The body's id is {given!r} and the Idempotency-Key {key!r}. Give one of them, or the same.")
    return given if given is not None else key


def acting_name(caller: Caller, given: str | None) -> str:
    """Return who decides: the name that they have signed in with, or else that of the body.

    Raises:
        UsageError: If neither names anybody.
    """
    name = caller.name or (given or "").strip()
    if not name:
        raise UsageError("Nobody is named who decides. Give a name as `by`, or sign in.")
    return name
