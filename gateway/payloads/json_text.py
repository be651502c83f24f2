"""JSON: a payload that is valid goes into a frame as it came.

JSON here is RFC 8259 with what every reader can hold: UTF-8, fractions and exponents within the
range of a double, `MAX_DEPTH` levels of nesting.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any

import msgspec

from gateway.errors import InvalidTopic, Untranslatable
from gateway.payloads.reading import Reading, before, timestamp
from gateway.topics import check_channel

MAX_DEPTH = 200  # levels: what reads a frame later, here or in a client, is not to run out of stack

_any = msgspec.json.Decoder().decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError)
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"|([\[{])|([\]}])', re.DOTALL)


class NotJson(Untranslatable):
    """The payload is not JSON at all: it may be meant as something else."""


def one_json(payload: bytes) -> str:
    """Return a payload as JSON text on one line. Raises `Untranslatable`."""
    _decode(payload)
    return _one_line(payload)


def json_readings(payload: bytes, now: int) -> list[Reading]:
    """Return the values of a payload whose channels are in it. `now`: when it arrived, ms.

    An object: each key is a channel. `{"ts": ..., "values": {...}}`, or with `ago` in place of
    `ts`, or an array of those, carries the device's own time. Anything else is the channel
    `value`. Raises `Untranslatable`.
    """
    value = _decode(payload)
    if isinstance(value, dict):
        return _timed(payload, value, now) if _is_timed(value) else _channels(payload, None)
    if isinstance(value, list) and value and all(map(_is_timed, value)):
        return [
            r
            for raw, item in zip(_items(payload), value, strict=True)
            for r in _timed(bytes(raw), item, now)
        ]
    return [Reading("value", _one_line(payload))]


def plain_members(payload: bytes) -> list[tuple[str, str]] | None:
    """Return a JSON object's members as (channel, JSON text), without checking the names; the short
    way.

    None where the payload is anything but a one-line object without a time of its own: then
    `readings` decides.
    """
    if len(payload) > 2 * MAX_DEPTH and payload.count(b"[") + payload.count(b"{") > MAX_DEPTH:
        return None  # perhaps nested too deeply
    try:
        value = _any(payload)
    except _NOT_JSON:
        return None
    if type(value) is not dict or "values" in value or b"\n" in payload or b"\r" in payload:
        return None
    return [(key, str(raw, "utf-8")) for key, raw in _members(payload).items()]


def _is_timed(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and (value.keys() == {"ts", "values"} or value.keys() == {"ago", "values"})
        and isinstance(value["values"], dict)
    )


def _timed(payload: bytes, value: dict[str, Any], now: int) -> list[Reading]:
    ts = timestamp(value["ts"], now) if "ts" in value else before(value["ago"], now)
    return _channels(bytes(_members(payload)["values"]), ts)


def _channels(payload: bytes, ts: int | None) -> list[Reading]:
    try:
        return [
            Reading(check_channel(key), _one_line(bytes(raw)), ts)
            for key, raw in _members(payload).items()
        ]
    except InvalidTopic as error:
        raise Untranslatable(str(error)) from None


def _decode(payload: bytes) -> Any:
    try:
        value = _any(payload)
        if payload.count(b"[") + payload.count(b"{") > MAX_DEPTH and _depth(payload) > MAX_DEPTH:
            raise RecursionError
    except _NOT_JSON as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        raise NotJson(f"not JSON: {reason}") from None
    except RecursionError:
        raise Untranslatable(f"nested more than {MAX_DEPTH} levels deep") from None
    return value


def _depth(document: bytes) -> int:
    steps = (
        1 if token.lastindex == 1 else -1
        for token in _BRACKET.finditer(document)
        if token.lastindex
    )
    return max(accumulate(steps), default=0)


def _one_line(payload: bytes) -> str:
    text = payload.decode()
    if "\n" in text or "\r" in text:
        return msgspec.json.format(payload, indent=-1).decode()
    return text.strip(" \t")
