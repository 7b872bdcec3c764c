"""Sessions of people who have signed in: a signed cookie, and nothing kept here but which have ended early."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer

from outlive.api.roles import Role

LONGEST_SECONDS = 12 * 3600  # a working day: then the token is asked for again
ID_BYTES = 16
SALT = "outlive.session"
CSRF = b"outlive.csrf:"


@dataclass(frozen=True, kw_only=True)
class Session:
    """Somebody who has signed in.

    Attributes:
        id: Tells it from all others.
        name: As they call themselves: decisions are theirs.
    """

    id: str
    name: str
    role: Role


class Sessions:
    """Makes and reads sessions. The key of each is the token that it was made with.

    So they go on over restarts, and in any number of processes with the same tokens, and end with their token.
    """

    def __init__(self, tokens: Mapping[Role, str]) -> None:
        """Take the token of each role that has one."""
        self._tokens = dict(tokens)
        self._serializers = {
            role: URLSafeTimedSerializer(
                token,
                salt=f"{SALT}.{role.word}",
                signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
            )
            for role, token in tokens.items()
        }
        self._ended: dict[str, float] = {}

    def new(self, role: Role, name: str) -> tuple[Session, str]:
        """Return a new session, and what its cookie holds."""
        session = Session(id=secrets.token_urlsafe(ID_BYTES), name=name, role=role)
        return session, str(self._serializers[role].dumps(asdict(session)))

    def read(self, cookie: str) -> Session | None:
        """Return the session of a cookie; None where it was not made here, is over, or has lost its token."""
        for role, serializer in self._serializers.items():
            try:
                found = serializer.loads(cookie, max_age=LONGEST_SECONDS)
                session = Session(id=found["id"], name=found["name"], role=role)
            except (BadSignature, KeyError, TypeError):
                continue
            return None if session.id in self._ended else session
        return None

    def end(self, session_id: str) -> None:
        """Let a session be over, in this process, before its time."""
        now = time.time()
        self._ended = {ended: until for ended, until in self._ended.items() if until > now}
        self._ended[session_id] = now + LONGEST_SECONDS

    def csrf_token(self, session: Session) -> str:
        """Return what comes with each write of a session's pages, and no other page can know."""
        return hmac.new(self._tokens[session.role].encode(), CSRF + session.id.encode(), hashlib.sha256).hexdigest()
