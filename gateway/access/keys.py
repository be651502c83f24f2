"""Keys, tokens, cookies and links: random texts that are shown once and kept as SHA-256.

They carry at least 128 random bits, so a fast hash is enough (passwords.py is for what people
choose). The one exception is IOTcommunicate's key of 15 characters, 77 bits, which its clients
prescribe; `throttle` is stricter there.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from gateway.store.registry import Record

if TYPE_CHECKING:
    from gateway.store.registry import Style

R = TypeVar("R", bound=Record)

TOKEN_PREFIX = "gwt_"  # noqa: S105 - how a leaked token is recognised, not a token
_BYTES = 24  # 192 bits
_SIGNS = string.ascii_uppercase + string.digits
_SHORT_ID = re.compile("[A-Z0-9]{20}")


class Issued(msgspec.Struct, Generic[R], frozen=True):
    """A new record and its secret, which nobody can read again. The repr leaves the secret out."""

    record: R
    secret: str

    def __repr__(self) -> str:
        return f"Issued({self.record!r})"


def digest(secret: str) -> bytes:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def matches(secret: str, kept: bytes) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(digest(secret), kept)


def fingerprint(kept: bytes) -> str:
    """Return a short name of a key that tells it from the next one, and nothing more."""
    return kept[:8].hex()


def new_key(style: Style = "gateway") -> str:
    """Return a device's key."""
    return _signs(15) if style == "iotcommunicate" else new_text()


def new_device_id(style: Style = "gateway") -> str:
    """Return an id for a device that was given none."""
    return _signs(20) if style == "iotcommunicate" else f"device-{secrets.token_hex(8)}"


def new_token() -> str:
    """Return an API token."""
    return TOKEN_PREFIX + secrets.token_urlsafe(_BYTES)


def new_text() -> str:
    """Return a random text; none begins with -, which commands such as mosquitto_pub would take for
    an option.
    """
    while (text := secrets.token_urlsafe(_BYTES)).startswith("-"):
        pass
    return text


def has_short_key(device: str) -> bool:
    """Tell whether an id looks like IOTcommunicate's, whose keys are short."""
    return _SHORT_ID.fullmatch(device) is not None


def _signs(count: int) -> str:
    return "".join(secrets.choice(_SIGNS) for _ in range(count))
