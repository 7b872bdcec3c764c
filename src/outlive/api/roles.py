"""Who may do what: three roles, and the one that each request needs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from starlette.routing import compile_path

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Role(IntEnum):
    """What somebody may do; each may do what those before it may."""

    LOOK = 1
    DECIDE = 2
    OPERATE = 3

    @property
    def word(self) -> str:
        """The role as people write it."""
        return self.name.lower()


WRITES: Mapping[tuple[str, str], Role | None] = {
    ("POST", "/v1/session"): None,  # whoever signs in is nobody yet
    ("DELETE", "/v1/session"): None,
    ("POST", "/v1/hand-offs/{hand_off_id}/claim"): Role.DECIDE,
    ("POST", "/v1/hand-offs/{hand_off_id}/release"): Role.DECIDE,
    ("POST", "/v1/hand-offs/{hand_off_id}/decision"): Role.DECIDE,
    ("POST", "/v1/runs/{kind}/{name}/{run_id:path}/messages"): Role.DECIDE,
    ("POST", "/v1/runs/{kind}/{name}/{run_id:path}/take"): Role.DECIDE,
    ("POST", "/v1/runs/{kind}/{name}/{run_id:path}/speak"): Role.DECIDE,
    ("POST", "/v1/runs/{kind}/{name}/{run_id:path}/return"): Role.DECIDE,
    ("POST", "/v1/runs/{kind}/{name}/{run_id:path}/close"): Role.OPERATE,
    ("POST", "/v1/runs/{kind}/{name}/{run_id:path}/cancel"): Role.OPERATE,
    ("POST", "/v1/runs/agent/{name}"): Role.OPERATE,
    ("POST", "/v1/runs/plan/{name}"): Role.OPERATE,
    ("POST", "/v1/batches"): Role.OPERATE,
    ("POST", "/v1/batches/{batch_id}/pause"): Role.OPERATE,
    ("POST", "/v1/batches/{batch_id}/resume"): Role.OPERATE,
    ("POST", "/v1/batches/{batch_id}/cancel"): Role.OPERATE,
    ("POST", "/v1/batches/{batch_id}/concurrency"): Role.OPERATE,
    ("POST", "/v1/batches/{batch_id}/budget"): Role.OPERATE,
    ("POST", "/v1/batches/{batch_id}/retry"): Role.OPERATE,
    ("POST", "/v1/budgets/raise"): Role.OPERATE,
    ("POST", "/v1/deliveries/redeliver"): Role.OPERATE,
    ("POST", "/v1/demo/kill"): Role.OPERATE,
    ("POST", "/codec/decode"): Role.LOOK,  # it changes nothing: a read that has a body
}
"""The role that a write needs; None for none. One that is not here needs `OPERATE`."""

OPEN = frozenset({("GET", "/v1/session"), ("HEAD", "/v1/session")})
"""Reads that nobody has to be somebody for."""

FOREIGN_PAGES = ("/temporal/", "/codec/")
"""Called by pages of Temporal's Web UI, which know nothing of our CSRF token: their origin has to do."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a request needs.

    Attributes:
        role: None where anybody may.
        has_csrf_token: Whether a session's token has to come with it; otherwise the origin has to be told.
    """

    role: Role | None
    has_csrf_token: bool


def needed(method: str, path: str) -> Need:
    """Return what a request needs."""
    if method in SAFE:
        return Need(role=None if (method, path) in OPEN else Role.LOOK, has_csrf_token=False)
    found = (role for (verb, pattern), role in _WRITES if verb == method and pattern.fullmatch(path))
    is_foreign = path.startswith(FOREIGN_PAGES) or (method, path) == ("POST", "/v1/session")
    return Need(role=next(found, Role.OPERATE), has_csrf_token=not is_foreign)


def _compiled(path: str) -> re.Pattern[str]:
    pattern, _, _ = compile_path(path)
    return pattern


_WRITES = [((method, _compiled(path)), role) for (method, path), role in WRITES.items()]
