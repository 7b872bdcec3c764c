"""A workflow that is no agent's, and hands off."""

from typing import Any

from temporalio import workflow

from outlive.contracts.agents import HandOffKind
from outlive.contracts.hand_offs import HandOffPolicy
from outlive.workflows.handoff import HandOffs


@workflow.defn(name="TestMigration")
class Migration:
    """Asks before each wave."""

    @workflow.init
    def __init__(self, waves: list[str]) -> None:
        self._hand_offs = HandOffs(agent=waves[0])

    @workflow.run
    async def run(self, waves: list[str]) -> list[Any]:
        found = []
        for wave in waves[1:]:
            decision = await self._hand_offs.ask(
                f"May the wave {wave} begin?",
                choices=["approve", "stop"],
                subject=wave,
                kind=HandOffKind.APPROVAL,
                about={"rows": 200},
                policy=HandOffPolicy(),
            )
            found.append([decision.choice, decision.by, decision.value])
        await self._hand_offs.finish()
        return found
