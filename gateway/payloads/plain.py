"""Payloads that are one thing whatever is in them: a text, a number, bytes."""

from __future__ import annotations

import base64
import math
import re

from gateway.errors import Untranslatable
from gateway.frames import to_json

MAX_NUMBER = 64  # characters: a double has 17 digits
# A number as printf and people write it. Possessive: no text makes the match go back.
_NUMBER = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
# RFC 8259 section 6
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def as_text(payload: bytes) -> str:
    """Return UTF-8 text as a JSON string. Raises `Untranslatable`."""
    return to_json(text_of(payload))


def text_of(payload: bytes) -> str:
    """Return a payload as text. Raises `Untranslatable` where it is not UTF-8."""
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise Untranslatable(f"not UTF-8 text: {error.reason} at byte {error.start}") from None


def as_number(payload: bytes) -> str:
    """Return a number as JSON writes it. Raises `Untranslatable`."""
    text = text_of(payload).strip()
    if len(text) > MAX_NUMBER:
        raise Untranslatable(f"not a number: it has more than {MAX_NUMBER} characters")
    if not _NUMBER.fullmatch(text) or not math.isfinite(number := float(text)):
        raise Untranslatable(f"not a number: {text[:40]!r}")
    return text if _JSON_NUMBER.fullmatch(text) else to_json(number)


def as_base64(payload: bytes) -> str:
    """Return any bytes as `{"base64": "..."}`."""
    return f'{{"base64":"{base64.b64encode(payload).decode()}"}}'
