"""A person in an agent's place, over HTTP."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends

from outlive.api.bodies import ClaimBody, SpeechBody
from outlive.api.connected import Acting, Connected, IdempotencyKey, acting_name, one_id
from outlive.api.looking import handle_of, workflow_id_of
from outlive.api.views import RunView
from outlive.client import Client

router = APIRouter(prefix="/v1/runs/{kind}/{name}/{run_id:path}", tags=["runs"])


def _conversation(kind: Literal["agent"], name: str, run_id: str) -> str:
    return workflow_id_of(kind, name, run_id)


Talk = Annotated[str, Depends(_conversation)]


@router.post("/take")
async def take_over(client: Connected, caller: Acting, run: Talk, body: ClaimBody) -> RunView:
    """Take a conversation over: the agent makes no model call until it is handed back."""
    return await _shown(client, await client.desk.take(run, by=acting_name(caller, body.by), force=body.force))


@router.post("/speak")
async def speak(client: Connected, caller: Acting, run: Talk, body: SpeechBody, key: IdempotencyKey = None) -> RunView:
    """Say something in the agent's place: the answer of the turn that waits, or of one of its own."""
    speech_id = one_id(body.speech_id, key)
    by = acting_name(caller, body.by)
    return await _shown(client, await client.desk.speak(run, body.text, by=by, speech_id=speech_id))


@router.post("/return")
async def hand_back(client: Connected, caller: Acting, run: Talk, body: ClaimBody) -> RunView:
    """Let the agent go on."""
    return await _shown(client, await client.desk.hand_back(run, by=acting_name(caller, body.by), force=body.force))


async def _shown(client: Client, workflow_id: str) -> RunView:
    return RunView.of(await handle_of(client, workflow_id).status())
