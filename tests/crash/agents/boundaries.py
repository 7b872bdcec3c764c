"""The agent of twelve tool calls, killed at one boundary: what must hold, and how long it took to go on."""

from dataclasses import dataclass
from typing import Any

from crash.agents.projects import AgentProject, Entry, plain
from engines import until
from outlive.runs import RunResult
from outlive.testing.faults import Moment

ACTS = 12
CALLS = 2 * ACTS + 1  # each act is asked for by a call of the model; a last one ends the run
PROMPT = f"Act {ACTS} times."
MOMENTS = (Moment.CALL_SCHEDULED, Moment.CALL_CLAIMED, Moment.CALL_RECORDED)
BOUNDARIES = [(moment, number) for number in range(1, CALLS + 1) for moment in MOMENTS] + [(Moment.RUN_ENDING, 1)]


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A run whose worker was killed, and what the world outside saw of it.

    Attributes:
        at_death: The ledger as the dead left it.
        resumed_after: Seconds from the kill to the next call that arrived outside, or to the end where none did.
    """

    run: str
    moment: Moment
    number: int
    status: int
    result: RunResult[Any]
    at_death: list[Entry]
    at_end: list[Entry]
    repeated: dict[tuple[str, int], int]
    calls: int
    resumed_after: float

    def check(self, unkilled: RunResult[Any]) -> None:
        """Assert that it ended as if nothing had happened, and what was recorded was made once."""
        where = f"{self.moment} {self.number}: {self.at_death}"
        assert self.status == -9, where
        assert self.result.output == unkilled.output
        assert plain(self.result.messages, self.run) == plain(unkilled.messages, "whole")
        assert {entry.state for entry in self.at_end} == {"done"}
        assert len(self.at_end) == CALLS
        recorded = {entry.key for entry in self.at_death if entry.state == "done"}
        in_flight = [entry for entry in self.at_death if entry.state != "done"]
        assert len(in_flight) == (1 if self.moment is Moment.CALL_CLAIMED else 0), where
        assert len(recorded) == self._expected_records(), where
        assert self.repeated == {}  # at none of these moments has a call that is to be made again gone out
        assert self.calls == CALLS
        attempts = {entry.key: entry.attempts for entry in self.at_end}
        again = [entry.key for entry in in_flight]
        assert {key for key, count in attempts.items() if count > 1} == set(again)

    def _expected_records(self) -> int:
        if self.moment is Moment.RUN_ENDING:
            return CALLS
        return self.number if self.moment is Moment.CALL_RECORDED else self.number - 1


async def killed_at(project: AgentProject, moment: Moment, number: int) -> Killed:
    """Run the agent, let its worker die at one boundary, and another one go on."""
    run = f"{moment}-{number}"
    handle = await project.begin("actor", PROMPT, run)
    status = await project.start_worker(project.fault(moment, number)).death()
    at_death = project.effects(handle)
    seen = len(project.outside.of(run))
    project.start_worker()
    result = await project.ended(handle)
    temporal = await project.client.temporal()
    later = project.outside.of(run)[seen:]
    closed = (await temporal.get_workflow_handle(handle.workflow_id).describe()).close_time
    assert closed is not None
    await until(lambda: not project.outside.in_flight(), "nothing is in flight")
    return Killed(
        run=run,
        moment=moment,
        number=number,
        status=status,
        result=result,
        at_death=at_death,
        at_end=project.effects(handle),
        repeated=project.outside.repeated(run),
        calls=len(project.outside.of(run)),
        resumed_after=(later[0].begun if later else closed.timestamp()) - project.killed_at,
    )
