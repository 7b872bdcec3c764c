"""Errors as callers of the API get them: problem details of RFC 9457, with the messages that everybody gets."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from temporalio.service import RPCError, RPCStatusCode

from outlive.errors import (
    AlreadyDecided,
    AppError,
    BatchError,
    BatchUnknown,
    EngineUnavailable,
    EntryUnknown,
    HandOffClaimed,
    HandOffUnknown,
    LedgerError,
    OutliveError,
    PayloadTooLarge,
    RunError,
    RunUnknown,
    ScheduleUnknown,
    UsageError,
)

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5  # an engine that died is back after about 1 s
MEDIA_TYPE = "application/problem+json"

_STATUSES: Sequence[tuple[type[OutliveError], HTTPStatus]] = (
    (RunUnknown, HTTPStatus.NOT_FOUND),
    (EntryUnknown, HTTPStatus.NOT_FOUND),
    (BatchUnknown, HTTPStatus.NOT_FOUND),
    (HandOffUnknown, HTTPStatus.NOT_FOUND),
    (ScheduleUnknown, HTTPStatus.NOT_FOUND),
    (AppError, HTTPStatus.NOT_FOUND),
    (AlreadyDecided, HTTPStatus.CONFLICT),
    (HandOffClaimed, HTTPStatus.CONFLICT),
    (RunError, HTTPStatus.CONFLICT),
    (BatchError, HTTPStatus.CONFLICT),
    (PayloadTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (EngineUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (LedgerError, HTTPStatus.SERVICE_UNAVAILABLE),
    (UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
)
"""The first that fits counts."""


class Problem(BaseModel):
    """Why a request was not done: RFC 9457."""

    type: str = "about:blank"
    title: str = Field(description="The phrase of the status.")
    status: int
    detail: str = Field(description="What happened, with the value, and what to do.")
    error: str | None = Field(default=None, description="Class of the error, for programs: `RunUnknown`.")
    errors: list[dict[str, Any]] | None = Field(default=None, description="Of a body that does not fit: where and why.")


def problem(
    status: HTTPStatus,
    detail: str,
    *,
    error: str | None = None,
    errors: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer for a request that was not done."""
    found = Problem(title=status.phrase, status=status, detail=detail, error=error, errors=errors)
    more = dict(headers or {})
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        more["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return JSONResponse(
        found.model_dump(exclude_none=True),
        status_code=status,
        headers={**more, "Cache-Control": "no-store"},
        media_type=MEDIA_TYPE,
    )


def status_of(error: OutliveError) -> HTTPStatus:
    """Return the status that tells callers of an error."""
    if isinstance(error.__cause__, RPCError) and not _is_said(error.__cause__):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def add_problems(api: FastAPI) -> None:
    """Let an API answer errors with problem details."""
    api.add_exception_handler(OutliveError, _on_ours)
    api.add_exception_handler(RPCError, _on_engine)
    api.add_exception_handler(RequestValidationError, _on_misfit)
    api.add_exception_handler(HTTPException, _on_http)
    api.add_exception_handler(Exception, _on_fault)


async def _on_ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, OutliveError)
    return problem(status_of(error), str(error), error=type(error).__name__)


async def _on_engine(_: Request, error: Exception) -> Response:
    assert isinstance(error, RPCError)
    said = f"The engine did not answer: {error.message}. `outlive doctor` tells what is wrong."
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, said, error=EngineUnavailable.__name__)


async def _on_misfit(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [
        {"where": ".".join(str(part) for part in one["loc"]), "why": one["msg"], "type": one["type"]}
        for one in error.errors()
    ]  # never what was given: it may be a secret
    said = "; ".join(f"{one['where']}: {one['why']}" for one in found[:3])
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"The request does not fit: {said}. See /openapi.json.", errors=found
    )


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    return problem(status, str(error.detail), headers=error.headers)


async def _on_fault(_: Request, error: Exception) -> Response:
    logger.error("A request of the API failed", extra={"error": type(error).__name__})
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The request failed here. The log of the API says why.")


def _is_said(error: RPCError) -> bool:
    """Whether the engine did answer, and with what the caller asked for."""
    return error.status in {RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.ALREADY_EXISTS}
