"""What waits for a person, over HTTP."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from outlive.api.bodies import ClaimBody, DecisionBody
from outlive.api.connected import Acting, Connected, IdempotencyKey, acting_name, one_id
from outlive.api.problems import Problem
from outlive.api.views import HandOffView

router = APIRouter(prefix="/v1/hand-offs", tags=["hand-offs"])
States = Literal["open", "decided", "expired", "void", "all"]


@router.get("")
async def list_hand_offs(
    client: Connected,
    state: States = "open",
    agent: Annotated[str | None, Query(max_length=200)] = None,
    kind: Annotated[str | None, Query(max_length=100)] = None,
) -> list[HandOffView]:
    """List what waits for a person, what has waited longest first."""
    found = await client.desk.list(state=None if state == "all" else state, agent=agent, kind=kind)
    return [HandOffView.of(one) for one in found]


@router.get("/{hand_off_id}")
async def get_hand_off(client: Connected, hand_off_id: str) -> HandOffView:
    """Return a hand-off with all that is needed to decide."""
    return HandOffView.of(await client.desk.get(hand_off_id))


@router.post(
    "/{hand_off_id}/decision",
    responses={409: {"model": Problem, "description": "It is decided already, or somebody else has claimed it."}},
)
async def decide(
    client: Connected, caller: Acting, hand_off_id: str, body: DecisionBody, key: IdempotencyKey = None
) -> HandOffView:
    """Decide; the run goes on."""
    decided = await client.desk.decide(
        hand_off_id,
        body.choice,
        value=body.value,
        by=acting_name(caller, body.by),
        note=body.note,
        force=body.force,
        decision_id=one_id(body.decision_id, key),
    )
    return HandOffView.of(decided)


@router.post("/{hand_off_id}/claim")
async def claim(client: Connected, caller: Acting, hand_off_id: str, body: ClaimBody) -> HandOffView:
    """Take a hand-off on, for 30 minutes at most: a decision by anybody else is then refused."""
    await client.desk.claim(hand_off_id, by=acting_name(caller, body.by), force=body.force)
    return HandOffView.of(await client.desk.get(hand_off_id))


@router.post("/{hand_off_id}/release")
async def release(client: Connected, caller: Acting, hand_off_id: str, body: ClaimBody) -> HandOffView:
    """Let go of a hand-off."""
    await client.desk.release(hand_off_id, by=acting_name(caller, body.by), force=body.force)
    return HandOffView.of(await client.desk.get(hand_off_id))
