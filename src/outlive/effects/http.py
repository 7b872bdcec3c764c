"""HTTP with the key of the effect on every request that changes something."""

from typing import Any

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession

from outlive.effects.current import current_call

HEADER = "Idempotency-Key"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def http_client(**options: Any) -> ClientSession:
    """Return an ``aiohttp.ClientSession`` that sends ``Idempotency-Key`` by itself with each POST, PUT, PATCH, DELETE.

    Within a tool call the first such request carries its `idempotency_key`, the next ones that key with ``.2``, ``.3``
    and so on in their order: the same on every attempt, as long as the tool makes its requests in the same order. A
    header that is given is left alone. Outside of a durable run nothing is added.

    Args:
        options: As for ``aiohttp.ClientSession``.
    """
    return ClientSession(**{**options, "middlewares": (*options.get("middlewares", ()), _with_key)})


async def _with_key(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    call = current_call.get()
    if call is not None and request.method not in _SAFE and HEADER not in request.headers:
        call.requests += 1
        request.headers[HEADER] = call.key if call.requests == 1 else f"{call.key}.{call.requests}"
    return await handler(request)
