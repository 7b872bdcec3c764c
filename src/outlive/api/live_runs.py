"""A run that is shown live: its outline, and to each page only what that page has not."""

from pydantic import PrivateAttr

from outlive.api.views_traces import OutlineView
from outlive.client import Client

SHOW_SECONDS = 0.5  # after which pages see what was read of a long run so far; the rest follows


class LiveOutline(OutlineView):
    """An outline as it stands, that knows what has changed since a cursor."""

    _client: Client | None = PrivateAttr(default=None)

    def since(self, cursor: str) -> OutlineView:
        """Return what has changed since a cursor; the whole, where it says nothing here."""
        if self._client is None:
            return self
        found = self._client.outlines.since(self.id, cursor)
        return self if found is None else OutlineView.of(found)


async def read_outline(client: Client, workflow_id: str) -> LiveOutline:
    """Return the outline of any workflow, as `GET /v1/workflows/ID/outline` does, of a long one as far as it was read.

    Raises:
        RunUnknown: If there is no such workflow.
        RPCError: If the engine does not answer.
    """
    found = LiveOutline.of(await client.outlines.outline(workflow_id, within=SHOW_SECONDS))
    found._client = client  # noqa: SLF001 - its own
    return found


def outline_mark(outline: OutlineView) -> str:
    """Return what tells one state of an outline from another."""
    return outline.cursor


def outline_since(outline: OutlineView, cursor: str) -> OutlineView:
    """Return what has changed in an outline since a mark of it."""
    return outline.since(cursor) if isinstance(outline, LiveOutline) else outline
