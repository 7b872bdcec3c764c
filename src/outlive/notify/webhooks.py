"""Posting events to URLs: signed, within a time, to public addresses only, and without following redirects."""

import asyncio
import time
from importlib.metadata import version
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from outlive.contracts.notifications import Webhook
from outlive.documents.addresses import AddressRefused, PublicResolver, check_literal, public_socket
from outlive.documents.fetching import retry_after_seconds
from outlive.errors import DeliveryFailed
from outlive.ledger.outbox import Claimed
from outlive.notify.retrying import MOST_ASKED_FOR
from outlive.notify.signing import secret_keys, signature
from outlive.settings import process_environment

TIMEOUT_SECONDS: Final = 15.0  # what Standard Webhooks advises; less than a lease
MOST_READ: Final = 300  # bytes of an answer: what a person sees of an error
GONE: Final = 410


class WebhookSender:
    """Posts events, over one session.

    Args:
        allow_private: Whether private, loopback and link-local addresses may be posted to.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allows_private = allow_private
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        guarded = not self._allows_private
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the dispatcher's own bounds are the limit
                resolver=PublicResolver() if guarded else None,
                socket_factory=public_socket if guarded else None,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"outlive/{version('outlive')} (webhooks)"},
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            auto_decompress=False,  # an answer is looked at, not unpacked
        )
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, target: Webhook, delivery: Claimed) -> None:
        """Post an event once.

        Raises:
            DeliveryFailed: If it was not answered with 2xx, with the reason.
        """
        assert self._session is not None
        body, moment = delivery.body.encode(), int(time.time())
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "webhook-id": delivery.event_id,
            "webhook-timestamp": str(moment),
        }
        if target.secret is not None:
            keys = secret_keys(target.secret, process_environment())
            headers["webhook-signature"] = signature(keys, delivery.event_id, moment, body)
        try:
            if not self._allows_private:
                check_literal(URL(target.url).host or "")
            async with self._session.post(target.url, data=body, headers=headers, allow_redirects=False) as answer:
                await _judge(answer)
        except AddressRefused as error:
            raise DeliveryFailed(_refused(error)) from error
        except aiohttp.ClientConnectorError as error:
            raise DeliveryFailed(_refused(error.os_error)) from error
        except TimeoutError as error:
            raise DeliveryFailed(f"It did not answer within {TIMEOUT_SECONDS:g} s.") from error
        except (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            raise DeliveryFailed(f"{type(error).__name__}: {error}"[:MOST_READ]) from error


async def _judge(answer: aiohttp.ClientResponse) -> None:
    if 200 <= answer.status < 300:
        return  # its body is nobody's business: the connection is closed with it
    said = (await answer.content.read(MOST_READ)).decode(errors="replace")
    reason = f"It answered {answer.status} {answer.reason or ''}".rstrip()
    if 300 <= answer.status < 400:
        raise DeliveryFailed(f"{reason}: redirects are not followed. Give the webhook the URL itself.")
    raise DeliveryFailed(
        f"{reason}: {' '.join(said.split())}" if said.strip() else f"{reason}.",
        retry_after=retry_after_seconds(answer.headers.get("Retry-After"), most=MOST_ASKED_FOR),
        is_final=answer.status == GONE,
    )


def _refused(error: OSError) -> str:
    if isinstance(error, AddressRefused):
        return (
            f"{error.address} is not a public address. "
            "OUTLIVE_ALLOW_PRIVATE_ADDRESSES=true on the workers lets them post there."
        )
    return f"No connection: {error.strerror or error}."
