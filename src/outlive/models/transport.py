"""HTTP to models: one aiohttp session per process, under every provider's client that takes one.

Two ways lead over it. Any SDK client gets it as the transport of its ``httpx2`` client (``httpx-aiohttp``). For chat
completions, which most batches are, `LeanOpenAI` replaces the SDK's own request and response handling, which costs
six times as much CPU as all else together: see ``docs/decisions/models-client.md``.
"""

import json
from functools import cached_property
from typing import Any, NoReturn
from urllib.request import getproxies

import aiohttp
import httpx2
from httpx_aiohttp.httpx2 import AiohttpTransport
from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI, NotGiven, Omit
from openai.resources.chat import AsyncChat, AsyncCompletions
from openai.types.chat import ChatCompletion
from pydantic import ValidationError
from pydantic_core import to_json
from yarl import URL

_CONNECT_SECONDS = 20.0
_KEEPALIVE_SECONDS = 60.0


class Transport:
    """The connections of one process to all its models. Made in the running event loop; closed by `aclose`."""

    def __init__(self, timeout: float) -> None:
        """Open no connection yet.

        Args:
            timeout: Seconds for one model call.
        """
        connector = aiohttp.TCPConnector(
            limit=0,  # how much is in flight is the throttle's and the caller's business
            keepalive_timeout=_KEEPALIVE_SECONDS,
            ssl=httpx2.create_ssl_context(),
        )
        # Without a proxy aiohttp must not look for one: it reads the environment and .netrc for every request.
        self.session = aiohttp.ClientSession(
            connector=connector,
            trust_env=bool(getproxies()),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self.timeout = timeout
        self.http_client = httpx2.AsyncClient(
            transport=_NamingTransport(client=self.session),
            timeout=httpx2.Timeout(timeout, connect=_CONNECT_SECONDS),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self.http_client.aclose()
        await self.session.close()


class _NamingTransport(AiohttpTransport):
    """Tells a connection that was refused or lost from one that took too long; httpx-aiohttp calls both a timeout."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request.

        Raises:
            TransportError: Of the class that fits, with aiohttp's words.
        """
        try:
            return await super().handle_async_request(request)
        except httpx2.TimeoutException as error:
            cause = error.__cause__
            if not isinstance(cause, aiohttp.ClientConnectionError) or isinstance(cause, TimeoutError):
                raise
            raise httpx2.ConnectError(str(cause) or type(cause).__name__, request=request) from cause


class LeanOpenAI(AsyncOpenAI):
    """An OpenAI client whose plain chat completions go straight over aiohttp. All else is the SDK's own."""

    def __init__(self, like: AsyncOpenAI, transport: Transport) -> None:
        """Take address, key and headers over from a client that a provider made."""
        self._lean_headers = _headers_of(like)
        self._lean_transport = transport
        own = {"authorization", "accept", "content-type", "user-agent"}
        super().__init__(
            api_key=like.api_key,
            organization=like.organization,
            project=like.project,
            base_url=like.base_url,
            default_headers={name: value for name, value in self._lean_headers.items() if name.lower() not in own},
            http_client=transport.http_client,
            timeout=transport.timeout,
            max_retries=0,
        )

    @cached_property
    def chat(self) -> AsyncChat:
        """Chat, with `LeanCompletions` in it."""
        return _LeanChat(self, LeanCompletions(self, self._lean_transport.session, self._lean_headers))


class _LeanChat(AsyncChat):
    def __init__(self, client: AsyncOpenAI, completions: "LeanCompletions") -> None:
        super().__init__(client)
        self._lean_completions = completions

    @cached_property
    def completions(self) -> AsyncCompletions:
        return self._lean_completions


class LeanCompletions(AsyncCompletions):
    """``client.chat.completions`` that sends what it is given and raises the SDK's errors."""

    def __init__(self, client: AsyncOpenAI, session: aiohttp.ClientSession, headers: dict[str, str]) -> None:
        super().__init__(client)
        self._session = session
        self._headers = headers
        self._url = URL(f"{client.base_url}chat/completions", encoded=True)

    async def create(  # type: ignore[override] # the SDK spells out each parameter, in three overloads
        self,
        *,
        stream: bool | Omit | None = None,
        extra_headers: dict[str, str] | None = None,
        extra_query: dict[str, object] | None = None,
        extra_body: dict[str, Any] | None = None,
        timeout: object = None,
        **parameters: Any,
    ) -> Any:
        """Send one request; what this way does not know goes through the SDK."""
        if stream or extra_query or not isinstance(timeout, NotGiven | None):
            return await super().create(  # type: ignore[call-overload]
                stream=stream,
                extra_headers=extra_headers,
                extra_query=extra_query,
                extra_body=extra_body,
                timeout=timeout,
                **parameters,
            )
        body = {name: value for name, value in parameters.items() if not isinstance(value, Omit | NotGiven)}
        if isinstance(stream, bool):
            body["stream"] = stream
        if extra_body:
            body.update(extra_body)
        headers = {**self._headers, **extra_headers} if extra_headers else self._headers
        return _completion(await self._send(to_json(body), headers))

    async def _send(self, content: bytes, headers: dict[str, str]) -> bytes:
        try:
            async with self._session.post(self._url, data=content, headers=headers, allow_redirects=False) as response:
                received = await response.read()
        except TimeoutError as error:
            raise APITimeoutError(self._request()) from error
        except aiohttp.ClientError as error:
            message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise APIConnectionError(message=message, request=self._request()) from error
        if response.status >= 300:
            self._raise_for(response, received)
        return received

    def _request(self) -> httpx2.Request:
        return httpx2.Request("POST", str(self._url))

    def _raise_for(self, response: aiohttp.ClientResponse, received: bytes) -> NoReturn:
        headers = [(name, value) for name, value in response.headers.items() if name.lower() != "content-encoding"]
        message = f"Error code: {response.status}"
        body: object = received.decode("utf-8", "replace").strip()
        try:
            decoded = json.loads(received)
        except ValueError:
            pass
        else:
            body = decoded.get("error", decoded) if isinstance(decoded, dict) else decoded
            if isinstance(body, dict) and isinstance(body.get("message"), str):
                message = f"{message} - {body['message']}"
        stand_in = httpx2.Response(response.status, headers=headers, content=received, request=self._request())
        raise APIStatusError(message, response=stand_in, body=body)


def _completion(received: bytes) -> ChatCompletion:
    data = json.loads(received)
    if not isinstance(data, dict):
        raise json.JSONDecodeError("The body is JSON, but not an object", received[:80].decode("utf-8", "replace"), 0)
    try:
        return ChatCompletion.model_validate(data)
    except ValidationError:
        # Compatible servers leave out or stretch fields. The SDK validates nothing; Pydantic AI does, leniently.
        return ChatCompletion.construct(**data)


def _headers_of(client: AsyncOpenAI) -> dict[str, str]:
    headers = {**client.default_headers, **client.auth_headers}
    return {
        name: value
        for name, value in headers.items()
        if isinstance(value, str) and not name.lower().startswith("x-stainless")
    }
