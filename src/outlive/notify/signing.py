"""Signatures of Standard Webhooks, version 1: HMAC-SHA256 over id, moment and body."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from outlive.contracts.notifications import SECRET_PREFIX
from outlive.errors import DeliveryFailed

WRITTEN = "whsec_"


def secret_keys(named: str, environ: Mapping[str, str]) -> list[bytes]:
    """Return the keys of a secret that is named ``env:NAME``; more than one while one replaces another.

    Raises:
        DeliveryFailed: If this worker does not have it. The message names the variable, never its value.
    """
    name = named.removeprefix(SECRET_PREFIX)
    secrets = environ.get(name, "").split()
    if not secrets:
        raise DeliveryFailed(f"The worker's environment has no {name}, which holds the webhook's secret. Set it.")
    try:
        return [base64.b64decode(secret.removeprefix(WRITTEN), validate=True) for secret in secrets]
    except binascii.Error:
        raise DeliveryFailed(f"{name} holds no secret as Standard Webhooks writes it: whsec_ and base64.") from None


def signature(keys: list[bytes], message_id: str, moment: int, body: bytes) -> str:
    """Return the ``webhook-signature`` header.

    Args:
        moment: Seconds since the epoch.
    """
    signed = f"{message_id}.{moment}.".encode() + body
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
