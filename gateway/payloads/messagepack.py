"""MessagePack: read as the JSON object that it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.errors import Untranslatable
from gateway.payloads.json_text import json_readings, one_json
from gateway.payloads.objects import as_json

if TYPE_CHECKING:
    from gateway.payloads.reading import Reading

_decode = msgspec.msgpack.Decoder().decode


def one_messagepack(payload: bytes) -> str:
    """Return a payload as JSON text on one line. Raises `Untranslatable`."""
    return one_json(as_json(decode(payload)))


def messagepack_readings(payload: bytes, now: int) -> list[Reading]:
    """Return the values of a payload whose channels are in it. Raises `Untranslatable`."""
    return json_readings(as_json(decode(payload)), now)


def decode(payload: bytes) -> Any:
    """Return the object that a payload is; a time (extension -1) as `datetime`.

    Raises `Untranslatable`.
    """
    try:
        return _decode(payload)
    except (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Untranslatable(f"not MessagePack: {str(error)[:200]}") from None
