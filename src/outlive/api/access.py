"""Who a request comes from, and whether it may be served: decided before anything else of it is looked at.

Without a token only programs and pages of this machine are served. With one: who sends it (programs), or has a session
(people). A web page of somebody else's may send requests from the reader's own browser: their `Origin` tells, and under
a name of its own that it lets point here, the `Host`. A token tells enough by itself: no page knows it.
"""

import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.requests import cookie_parser
from starlette.types import Scope

from outlive.api.roles import SAFE, Need, Role, needed
from outlive.api.sessions import Session, Sessions
from outlive.settings import Settings

LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
COOKIE = "outlive_session"
CSRF_HEADER = "x-csrf-token"
CALLER = "outlive.caller"  # in the scope of a request that was let through


class Refusal(Exception):
    """A request that is not served.

    Attributes:
        status: Of the answer.
        headers: What the answer carries besides.
    """

    def __init__(self, status: HTTPStatus, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers or {}


class Headers:
    """The headers of a request."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._raw = [(name.lower(), value.decode("latin-1")) for name, value in raw]

    def get(self, name: str) -> str:
        """Return a header, or "". One that is given twice is refused: which of them counts nobody can tell."""
        found = [value for key, value in self._raw if key == name.encode()]
        if len(found) > 1:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"The header {name!r} was given {len(found)} times. Send it once.")
        return found[0] if found else ""

    def cookie(self, name: str) -> str:
        """Return a cookie, or ""."""
        values = [value for key, value in self._raw if key == b"cookie"]  # HTTP/2 may send them in several headers
        return cookie_parser("; ".join(values)).get(name, "")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who a request comes from.

    Attributes:
        session: None for programs, and for this machine where there is no token.
    """

    role: Role
    session: Session | None = None

    @property
    def name(self) -> str:
        """The name that they have signed in with; "" for others."""
        return self.session.name if self.session else ""


LOCAL = Caller(role=Role.OPERATE)
"""Whoever is served where there is no token."""


class Access:
    """What the settings say about who is served.

    Attributes:
        sessions: Of those who have signed in.
    """

    def __init__(self, settings: Settings) -> None:
        self._tokens = tokens_of(settings)
        self._hosts = frozenset(filter(None, (name.strip().lower() for name in settings.console_hosts.split(","))))
        self.sessions = Sessions(self._tokens)

    @property
    def needs_token(self) -> bool:
        """Whether callers have to be somebody."""
        return bool(self._tokens)

    def role_of(self, token: str) -> Role | None:
        """Return the role that a token gives."""
        given = token.encode()
        fits = [role for role, known in self._tokens.items() if hmac.compare_digest(given, known.encode())]
        return fits[0] if fits else None

    def check(self, scope: Scope, headers: Headers) -> Caller | None:
        """Return who a request comes from; None where nobody has to be somebody for it.

        Raises:
            Refusal: If it is not served.
        """
        method, need = scope["method"], needed(scope["method"], scope["path"])
        caller = self._caller(scope, headers)
        is_program = caller is not None and caller.session is None and self.needs_token
        if not is_program:
            self.check_host(headers)
        if method not in SAFE:
            self._check_origin(headers)
        if need.role is None:
            return self._checked(method, caller, need, headers)
        if caller is None:
            raise Refusal(
                HTTPStatus.UNAUTHORIZED,
                "The token is missing or wrong. Send it as `Authorization: Bearer TOKEN`, or sign in; "
                "it is OUTLIVE_API_TOKEN, or that of another role.",
                {"WWW-Authenticate": 'Bearer realm="outlive"'},
            )
        if caller.role < need.role:
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                f"This needs the role {need.role.word!r}, and you have {caller.role.word!r}. "
                "Ask somebody who has it, or come with its token.",
            )
        return self._checked(method, caller, need, headers)

    def check_host(self, headers: Headers) -> None:
        """Refuse a name that somebody else may let point to this machine.

        Raises:
            Refusal: If the host is none of ours.
        """
        host = headers.get("host")
        name = _name_of(host)
        if name in LOCAL_NAMES or (self.needs_token and (name in self._hosts or _is_address(name))):
            return
        mend = "Name it in OUTLIVE_CONSOLE_HOSTS." if self.needs_token else "Or set OUTLIVE_API_TOKEN to serve others."
        raise Refusal(HTTPStatus.FORBIDDEN, f"The host {host!r} is not served. Call 127.0.0.1 or localhost. {mend}")

    def _caller(self, scope: Scope, headers: Headers) -> Caller | None:
        if not self.needs_token:
            client = scope.get("client")
            if client is None or not _is_loopback(client[0]):
                raise Refusal(
                    HTTPStatus.FORBIDDEN, "Only this machine is served. Set OUTLIVE_API_TOKEN to serve others."
                )
            return LOCAL
        kind, _, given = headers.get("authorization").partition(" ")
        if kind:
            role = self.role_of(given.strip()) if kind.lower() == "bearer" else None
            return None if role is None else Caller(role=role)
        session = self.sessions.read(headers.cookie(cookie_name(headers.get("host"))))
        return None if session is None else Caller(role=session.role, session=session)

    def _checked(self, method: str, caller: Caller | None, need: Need, headers: Headers) -> Caller | None:
        """Return a caller whose session has not been borrowed by another page."""
        if method in SAFE or caller is None or caller.session is None:
            return caller
        if not need.has_csrf_token:
            if not headers.get("origin"):
                raise Refusal(HTTPStatus.FORBIDDEN, "A page that writes has to say its origin. Use a current browser.")
            return caller
        given, known = headers.get(CSRF_HEADER), self.sessions.csrf_token(caller.session)
        if not hmac.compare_digest(given.encode(), known.encode()):
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "The header X-CSRF-Token is missing or wrong. Take `csrf` of GET /v1/session; "
                "where you have signed in anew since, load the page again.",
            )
        return caller

    def _check_origin(self, headers: Headers) -> None:
        """Refuse what a page of another origin sends; programs send no origin."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        place = urlsplit(origin).netloc.lower()
        is_own = (
            not origin or place == headers.get("host").lower() or (self.needs_token and _name_of(place) in self._hosts)
        )
        if not is_own or site in {"cross-site", "same-site"}:
            raise Refusal(
                HTTPStatus.FORBIDDEN, f"Requests of the web page {origin or 'of another site'!r} are not served."
            )


def tokens_of(settings: Settings) -> Mapping[Role, str]:
    """Return the token of each role that has one."""
    tokens = {Role.OPERATE: settings.api_token, Role.DECIDE: settings.decide_token, Role.LOOK: settings.look_token}
    return {role: token for role, token in tokens.items() if token}


def cookie_name(host: str) -> str:
    """Return the name of the cookie: browsers send those of all ports of a machine to each."""
    port = host.rpartition(":")[2]
    return f"{COOKIE}_{port}" if port.isdecimal() else COOKIE


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def _is_address(name: str) -> bool:
    """Return whether a host is no name, but an address: nobody can let that point elsewhere."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _name_of(host: str) -> str:
    """Return the name in a `Host` header; "" where it holds anything else than a name and a port."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return ""
    is_plain = parts.netloc == host and "@" not in host
    return (parts.hostname or "").lower() if is_plain else ""
