"""The demonstration seen from its console: who lives, and who is to die."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.exceptions import HTTPException

from outlive.api.bodies import Body
from outlive.api.problems import Problem
from outlive.api.views import View
from outlive.console.parts import Demonstration, Parts, parts_of

router = APIRouter(
    prefix="/v1/demo",
    tags=["demo"],
    responses={404: {"model": Problem, "description": "This is not the demonstration."}},
)


class DemoWorkerView(View):
    """A worker of the demonstration."""

    index: int
    pid: int | None = Field(description="Null while it is being started again.")
    alive: bool
    restarts: int


class DemoView(View):
    """The demonstration as it stands."""

    workers: list[DemoWorkerView]
    kills: int = Field(description="Processes killed with -9 so far, the engine included.")
    verdict: dict[str, Any] | None = Field(
        default=None, description="At the end: `holds`, and the sums of ledger and document server that it comes from."
    )


class KillBody(Body):
    """Kill something."""

    worker: int | None = Field(default=None, ge=0, description="Index of a worker; null is the engine.")


def _demo(parts: Annotated[Parts, Depends(parts_of)]) -> Demonstration:
    if parts.demo is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "This is not the demonstration. `outlive demo` is.")
    return parts.demo


Demo = Annotated[Demonstration, Depends(_demo)]


@router.get("")
async def get_demo(demo: Demo) -> DemoView:
    """Return who lives, and at the end the verdict."""
    return _view(demo)


@router.post("/kill", status_code=HTTPStatus.ACCEPTED)
async def kill_one(demo: Demo, body: KillBody) -> DemoView:
    """Kill a worker or the engine with -9. 409 where it is being started again just now."""
    if body.worker is not None and body.worker >= len(demo.workers):
        raise HTTPException(HTTPStatus.NOT_FOUND, f"There is no worker {body.worker}: there are {len(demo.workers)}.")
    if demo.kill(body.worker) is None:
        victim = "The engine" if body.worker is None else f"Worker {body.worker}"
        raise HTTPException(HTTPStatus.CONFLICT, f"{victim} is dead already, and being started again. Wait a moment.")
    return _view(demo)


def _view(demo: Demonstration) -> DemoView:
    workers = [
        DemoWorkerView(index=one.index, pid=one.pid, alive=one.pid is not None, restarts=one.restarts)
        for one in demo.workers
    ]
    return DemoView(workers=workers, kills=demo.kills, verdict=demo.verdict)
