"""Values as JSON, both ways."""

from __future__ import annotations

import json
from typing import Any


def encoded(value: Any) -> bytes:
    """Return a value as JSON, one that is no number (NaN) as null; TypeError for what JSON cannot
    hold.
    """
    try:
        return _dumped(value)
    except (ValueError, RecursionError):
        pass
    try:
        return _dumped(_with_null(value))
    except RecursionError:
        raise TypeError("a value that contains itself, or is too deep, is no JSON") from None


def _dumped(value: Any) -> bytes:
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="replace")


def _with_null(value: Any) -> Any:
    """Return a value in which NaN and the infinities are None: a sensor that fails often says
    so.
    """
    if isinstance(value, dict):
        return {key: _with_null(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_null(each) for each in value]
    return value if not isinstance(value, float) or abs(value) < float("inf") else None


def decoded(payload: bytes) -> Any:
    """Read a command's value: JSON, else text, as other MQTT clients may send it; None when
    empty.
    """
    if not payload:
        return None
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return payload.decode(errors="replace")
