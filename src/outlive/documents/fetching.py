"""Fetching one URL: one attempt, redirects included, with every hop checked and the body capped."""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Final

import aiohttp
from aiohttp import ClientResponse, ClientSession
from yarl import URL

from outlive.contracts.batches import ReadingOptions
from outlive.contracts.outcomes import Cause
from outlive.documents.addresses import AddressRefused, PublicResolver, check_literal, public_socket
from outlive.documents.files import too_large
from outlive.documents.hosts import Hosts
from outlive.errors import DocumentError

MAX_REDIRECTS: Final = 10
CONNECT_SECONDS: Final = 20.0
SILENCE_SECONDS: Final = 30.0
"""Longest time in which a server sends nothing, headers included."""

MAX_RETRY_AFTER: Final = 120.0
"""Longest pause that a server can ask for; one that asks for more is asked again after this, in its turn."""

USER_AGENT: Final = f"outlive/{version('outlive')} (document reader)"
_ACCEPT: Final = "text/html,application/xhtml+xml,application/pdf;q=0.9,text/plain;q=0.9,*/*;q=0.5"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_GONE: Final = frozenset({404, 410})


class Transient(DocumentError):
    """An attempt that failed in a way that the next one may not.

    Attributes:
        retry_after: Seconds that the server asked to wait, where it did.
        host: The host that asked.
    """

    def __init__(self, cause: str, reason: str, *, retry_after: float | None = None, host: str = "") -> None:
        super().__init__(cause, reason)
        self.retry_after = retry_after
        self.host = host


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """A body, and what the server said of it."""

    body: bytes
    media_type: str | None
    charset: str | None
    name: str


def open_session(options: ReadingOptions) -> ClientSession:
    """Return the session of a process. With private addresses refused, its sockets open to public ones only."""
    guarded = not options.allow_private_addresses
    connector = aiohttp.TCPConnector(
        limit=0,  # the hosts' own gates are the limit
        ttl_dns_cache=300,
        resolver=PublicResolver() if guarded else None,
        socket_factory=public_socket if guarded else None,
    )
    return ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT, "Accept": _ACCEPT, "Accept-Encoding": "gzip, deflate"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
    )


def parse_url(text: str) -> URL:
    """Return an ``http`` or ``https`` URL.

    Raises:
        DocumentError: It is none, or names no host.
    """
    shown = text[:300]
    try:
        url = URL(text.strip()).with_fragment(None)
        host = _host(url)
    except ValueError as error:
        raise DocumentError(Cause.BAD_ADDRESS, f"{shown!r} is not a URL: {error}.") from error
    if url.scheme not in {"http", "https"}:
        raise DocumentError(Cause.BAD_ADDRESS, f"{shown!r} is read over neither http nor https.")
    if not host:
        raise DocumentError(Cause.BAD_ADDRESS, f"{shown!r} names no host.")
    return url


def _host(url: URL) -> str:
    """Return the host of a URL, empty where it has none that can be asked.

    Raises:
        ValueError: It cannot be written down. Better here than in the middle of a request.
    """
    host, port = url.host or "", url.port
    return "" if not port or any(character <= " " for character in host) else host


class Fetcher:
    """Fetches URLs over one session, within the limits of each host."""

    def __init__(self, options: ReadingOptions, session: ClientSession, hosts: Hosts) -> None:
        self._options = options
        self._session = session
        self._hosts = hosts

    async def attempt(self, url: URL) -> Fetched:
        """Fetch a URL once, along its redirects. Waiting for a host's turn does not count as time.

        Raises:
            Transient: The next attempt may do better.
            DocumentError: It would not.
        """
        seconds = self._options.timeout_seconds
        clock = asyncio.get_running_loop().time
        seen = {url}
        for hop in range(MAX_REDIRECTS + 1):
            async with self._hosts.slot(url.raw_host or ""):
                begun = clock()
                answer = await self._hop(url, seconds, first=hop == 0)
                seconds -= clock() - begun
            if isinstance(answer, Fetched):
                return answer
            if answer in seen:
                raise DocumentError(Cause.REDIRECTS, f"The redirects go in a circle: {_shown(answer)} comes twice.")
            seen.add(answer)
            url = answer
        raise DocumentError(Cause.REDIRECTS, f"There are more than {MAX_REDIRECTS} redirects.")

    async def _hop(self, url: URL, seconds: float, *, first: bool) -> Fetched | URL:
        try:
            if not self._options.allow_private_addresses:
                check_literal(url.host or "")
            async with asyncio.timeout(seconds):
                return await self._request(url)
        except AddressRefused as error:
            raise _refusal(url, error, first=first) from error
        except (TimeoutError, aiohttp.ServerTimeoutError) as error:
            raise Transient(Cause.TIMEOUT, _late(url, error, self._options.timeout_seconds)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _connection_error(url, error, first=first) from error

    async def _request(self, url: URL) -> Fetched | URL:
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status in _REDIRECTS and "Location" in response.headers:
                return _target(url, response.headers["Location"])
            if not 200 <= response.status < 300:
                raise _status_error(url, response)
            body = await self._body(url, response)
            return Fetched(
                body=body,
                media_type=_media_type(response),
                charset=response.charset,
                name=url.name or url.raw_host or "",
            )

    async def _body(self, url: URL, response: ClientResponse) -> bytes:
        """Return the body, decompressed piece by piece: neither an endless one nor a gzip bomb fills the memory."""
        cap, size = self._options.max_bytes, response.content_length
        if size is not None and size > cap:
            response.close()
            raise too_large(_shown(url), cap, size)
        if size is not None and "Content-Encoding" not in response.headers:
            return await response.read()
        pieces, room = [], cap
        async for piece in response.content.iter_any():
            pieces.append(piece)
            room -= len(piece)
            if room < 0:
                response.close()
                raise too_large(_shown(url), cap)
        return b"".join(pieces)


def retry_after_seconds(
    value: str | None, now: datetime | None = None, *, most: float = MAX_RETRY_AFTER
) -> float | None:
    """Return the seconds that a Retry-After header asks for, capped; None where it says nothing usable."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), most)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - (now or datetime.now(UTC))).total_seconds(), 0.0), most)


def _target(url: URL, location: str) -> URL:
    """Return where a redirect leads.

    Raises:
        DocumentError: To anything but http and https: a server that we asked has no say over our files.
    """
    try:
        target = url.join(URL(location)).with_fragment(None)
        host = _host(target)
    except ValueError as error:
        raise DocumentError(Cause.REDIRECTS, f"{_shown(url)} redirects to {location[:200]!r}, no URL.") from error
    if target.scheme not in {"http", "https"} or not host:
        raise DocumentError(
            Cause.REDIRECTS, f"{_shown(url)} redirects to {location[:200]!r}; only http and https are followed."
        )
    return target


def _media_type(response: ClientResponse) -> str | None:
    return response.content_type.lower() if "Content-Type" in response.headers else None


def _status_error(url: URL, response: ClientResponse) -> DocumentError:
    status, what = response.status, f"{_shown(url)} answered {response.status} {response.reason or ''}".rstrip()
    if status in _GONE:
        return DocumentError(Cause.NOT_FOUND, f"{what}.")
    if status in _TRANSIENT:
        wait = retry_after_seconds(response.headers.get("Retry-After"))
        return Transient(Cause.HTTP_ERROR, f"{what}.", retry_after=wait, host=url.raw_host or "")
    return DocumentError(Cause.HTTP_ERROR, f"{what}.")


def _refusal(url: URL, error: AddressRefused, *, first: bool) -> DocumentError:
    reason = (
        f"{_shown(url)} leads to {error.address}, which is not a public address. To read from private addresses, set "
        "OUTLIVE_ALLOW_PRIVATE_ADDRESSES=true."
    )
    return DocumentError(Cause.ADDRESS_REFUSED if first else Cause.REDIRECTS, reason)


def _late(url: URL, error: Exception, seconds: float) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"No connection to {url.host} within {min(CONNECT_SECONDS, seconds):g} seconds."
    if isinstance(error, aiohttp.SocketTimeoutError):
        return f"{_shown(url)} sent nothing for {SILENCE_SECONDS:g} seconds."
    return f"{_shown(url)} was not complete after {seconds:g} seconds."


def _connection_error(url: URL, error: Exception, *, first: bool) -> DocumentError:
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
    if isinstance(inner, AddressRefused):
        return _refusal(url, inner, first=first)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        reason = f"The host {url.host!r} cannot be resolved: {error.os_error.strerror or error.os_error}."
        temporary = error.os_error.errno == socket.EAI_AGAIN
        return Transient(Cause.DNS, reason) if temporary else DocumentError(Cause.DNS, reason)
    if isinstance(error, (aiohttp.InvalidURL, ValueError)) and not isinstance(error, ssl.SSLError):
        return DocumentError(Cause.BAD_ADDRESS, f"{_shown(url)} is not a URL that can be asked for: {error}.")
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, ssl.SSLError)):
        inner_error = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error
        return DocumentError(Cause.CONNECTION, f"The certificate of {url.host} is refused: {inner_error}.")
    if isinstance(error, aiohttp.ClientPayloadError):
        return Transient(Cause.CONNECTION, f"The body of {_shown(url)} broke off or is damaged: {error}.")
    return Transient(
        Cause.CONNECTION, f"The connection to {url.host} failed: {str(inner or error) or type(error).__name__}."
    )


def _shown(url: URL) -> str:
    """Return a URL as a reason shows it: without a password, and not without end."""
    plain = str(url.with_user(None)) if url.user or url.password else str(url)
    return plain if len(plain) <= 300 else f"{plain[:300]}…"
