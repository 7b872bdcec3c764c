"""A page that looks at a run again and again."""

from dataclasses import replace

from outlive.client import Client
from outlive.trace.outline import Outline
from outlive.trace.outlines import Outlines


class Page:
    """What a page makes of the outlines that it gets."""

    def __init__(self, client: Client, workflow_id: str, **options: object) -> None:
        self.outlines = outlines_of(client, **options)
        self.workflow_id = workflow_id
        self.cursor = ""
        self.got: list[Outline] = []
        self.shown: Outline | None = None

    async def look(self) -> Outline:
        """Ask for what is new, and return all that is known."""
        found = await self.outlines.outline(self.workflow_id, since=self.cursor)
        if found.is_delta:
            found = replace(found, turns=merged(self.shown.turns, found.turns))
            found = replace(found, entries=merged(self.shown.entries, self.take(found)))
        self.cursor, self.shown = found.cursor, found
        return found

    def take(self, found: Outline) -> list:
        self.got.append(found)
        return found.entries


def outlines_of(client: Client, **options: object) -> Outlines:
    return Outlines(client.temporal, client.settings, **({"ledger": client.ledger} | options))


def merged(known: list, changed: list) -> list:
    return list(({one.id: one for one in known} | {one.id: one for one in changed}).values())


def plain(outline: Outline) -> Outline:
    """An outline as it is read, whoever asks."""
    return replace(outline, cursor="", is_delta=False)


async def anew(client: Client, workflow_id: str) -> Outline:
    return plain(await outlines_of(client).outline(workflow_id))
