"""Signing posts as Standard Webhooks has it: the key of a secret, and the signature of a post."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from gateway.errors import Invalid


def signing_key(secret: str) -> bytes:
    """Return the key of a secret: its bytes, or what follows `whsec_` as base64; raises
    `Invalid`.
    """
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise Invalid("what follows whsec_ is not base64") from None


def signature(key: bytes, post: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`."""
    signed = hmac.new(key, f"{post}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"
