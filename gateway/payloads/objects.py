"""Objects of binary formats as JSON: one meaning for what JSON cannot say."""

from __future__ import annotations

import base64
import math
from datetime import datetime
from typing import Any

import msgspec

from gateway.errors import Untranslatable
from gateway.payloads.json_text import MAX_DEPTH

_WIDEST = 1 << 64


def as_json(value: Any) -> bytes:
    """Return a decoded object as JSON.

    Bytes become `{"base64": "..."}`, times RFC 3339 text, whole numbers as names of members text.
    Raises `Untranslatable` for NaN, infinities, and whatever else has no place in JSON.
    """
    return msgspec.json.encode(_plain(value, MAX_DEPTH))


def _plain(value: Any, levels: int) -> Any:
    if levels == 0:
        raise Untranslatable(f"nested more than {MAX_DEPTH} levels deep")
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, dict):
        return {_name(key): _plain(member, levels - 1) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member, levels - 1) for member in value]
    if isinstance(value, bytes | bytearray):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise Untranslatable(f"a value of type {type(value).__name__} has no form in JSON")


def _number(value: float) -> float:
    if isinstance(value, float) and not math.isfinite(value):
        raise Untranslatable(f"{value} is not a number that JSON can hold")
    if isinstance(value, int) and not -_WIDEST // 2 <= value < _WIDEST:
        raise Untranslatable("a whole number of more than 64 bits")
    return value


def _name(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, int) and not isinstance(key, bool) and abs(key) < _WIDEST:
        return str(key)
    raise Untranslatable(f"{str(key)[:40]!r} cannot be the name of a channel")
