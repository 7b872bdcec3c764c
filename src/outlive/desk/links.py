"""Signed one-time links: a decision in a mail, good for one choice of one hand-off."""

import contextlib
import os
import secrets
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from itsdangerous import BadSignature, URLSafeSerializer

from outlive.errors import LinkRefused
from outlive.settings import Settings

KEY_FILE = "desk.key"
KEY_BYTES = 32
SALT = "outlive.desk"


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a link stands for.

    Attributes:
        by: Whose decision it is, if it is redeemed.
        link_id: Tells it from all others.
        expires_at: Seconds since the epoch.
    """

    hand_off_id: str
    choice: str
    by: str
    link_id: str
    expires_at: float


class Links:
    """Makes and reads links, by the key of one project."""

    def __init__(self, settings: Settings) -> None:
        key = settings.desk_key or _kept_key(settings.home / KEY_FILE)
        self._serializer = URLSafeSerializer(key, salt=SALT)

    def sign(self, hand_off_id: str, choice: str, *, by: str, lasts: timedelta) -> str:
        """Return the token of a new link."""
        link = Link(
            hand_off_id=hand_off_id,
            choice=choice,
            by=by,
            link_id=secrets.token_hex(16),
            expires_at=time.time() + lasts.total_seconds(),
        )
        return str(self._serializer.dumps(asdict(link)))

    def read(self, token: str) -> Link:
        """Return what a token stands for.

        Raises:
            LinkRefused: If it was not made with this project's key, or has expired.
        """
        try:
            link = Link(**self._serializer.loads(token))
        except (BadSignature, TypeError) as error:
            raise LinkRefused("The link was not made here, or was changed on its way. Ask for a new one.") from error
        if link.expires_at < time.time():
            raise LinkRefused(f"The link to {link.hand_off_id!r} has expired. Ask for a new one.")
        return link


def _kept_key(path: Path) -> str:
    """Return the key of a file that its owner alone may read; the first that asks makes it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    if not path.exists():
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(KEY_BYTES))
        with contextlib.suppress(FileExistsError):
            os.link(made, path)  # whole, or not at all: another process may make one at this moment
        made.unlink()
    return path.read_text().strip()
