"""A person in an agent's place: takes a conversation over, speaks in it, hands it back."""

from collections.abc import Callable, Iterable

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from outlive.contracts.agents import Speech, TakeOver
from outlive.names import TAKE_OVER_UPDATE

TAKE, SPEAK, RETURN = "take", "speak", "return"
SPEECHES_REMEMBERED = 50


class TakenOver:
    """Who speaks in a conversation. Making it installs the update that the desk uses."""

    def __init__(
        self,
        *,
        by: str,
        speeches: Iterable[Speech],
        is_conversation: bool,
        on_change: Callable[[], None],
    ) -> None:
        """Install the update.

        Args:
            by: Who speaks in the agent's place; empty where it speaks itself.
            speeches: What they have said and no turn has taken up.
            is_conversation: Whether there is anything to take over.
            on_change: Called when somebody takes it, speaks, or hands it back.
        """
        self.by = by
        self.speeches = list(speeches)
        self._is_conversation = is_conversation
        self._on_change = on_change
        self._known = [speech.speech_id for speech in self.speeches]
        workflow.set_update_handler(TAKE_OVER_UPDATE, self._change, validator=self._check)

    async def speech(self) -> Speech | None:
        """Wait while a person has the conversation; return what they say, or None once it is the agent's turn."""
        if self.by and not self.speeches:
            await workflow.wait_condition(lambda: bool(self.speeches) or not self.by)
        return self.speeches.pop(0) if self.speeches else None

    def _change(self, change: TakeOver) -> str:
        """Take over, speak or hand back; return who has the conversation then."""
        if change.action == SPEAK:
            if not change.speech_id or change.speech_id not in self._known:
                self.speeches.append(Speech(text=change.text, by=change.by, speech_id=change.speech_id))
                self._known = [*self._known, change.speech_id][-SPEECHES_REMEMBERED:]
        else:
            self.by = change.by if change.action == TAKE else ""
        self._on_change()
        return self.by

    def _check(self, change: TakeOver) -> None:
        if not self._is_conversation:
            raise ApplicationError("This run is no conversation: nobody can take it over.", type="TakeOverRefused")
        if not change.by:
            raise ApplicationError("Nobody is named who takes it over.", type="TakeOverRefused")
        if self.by and self.by != change.by and not change.is_forced:
            raise ApplicationError(f"{self.by} has taken the conversation over.", type="TakeOverRefused")
        if change.action not in {TAKE, SPEAK, RETURN}:
            raise ApplicationError(f"{change.action!r} is unknown.", type="TakeOverRefused")
        if change.action != TAKE and not self.by:
            raise ApplicationError("Nobody has taken the conversation over: take it first.", type="TakeOverRefused")
