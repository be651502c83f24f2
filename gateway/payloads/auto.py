"""What a payload is when nobody says it: JSON, else text, else bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.payloads.json_text import NotJson, json_readings, one_json
from gateway.payloads.plain import as_base64, as_text
from gateway.payloads.reading import Reading

if TYPE_CHECKING:
    from gateway.errors import Untranslatable


def one_auto(payload: bytes) -> str:
    """Return a payload as JSON text on one line. Raises `Untranslatable` where it nests too
    deep.
    """
    try:
        return one_json(payload)
    except NotJson:
        return _text_or_bytes(payload)


def auto_readings(payload: bytes, now: int) -> list[Reading]:
    """Return the values of JSON, or anything else as the channel `value`.

    What begins like an object or an array and is not JSON is a mistake. Raises `Untranslatable`.
    """
    try:
        return json_readings(payload, now)
    except NotJson as error:
        return [Reading("value", _unless_meant(payload, error))]


def _unless_meant(payload: bytes, error: Untranslatable) -> str:
    if payload.lstrip()[:1] in {b"{", b"["}:
        raise error
    return _text_or_bytes(payload)


def _text_or_bytes(payload: bytes) -> str:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return as_base64(payload)
    return as_text(payload)
