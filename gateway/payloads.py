"""Payloads to values: what a device sent, as the JSON text that goes into a frame.

A payload that is valid JSON goes in as it came. JSON here is RFC 8259 with what every reader can
hold: UTF-8, fractions and exponents within the range of a double, `MAX_DEPTH` levels of nesting.
"""

from __future__ import annotations

import base64
import math
import re
from itertools import accumulate
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from gateway.errors import InvalidTopic, Untranslatable
from gateway.frames import MAX_TS, to_json
from gateway.times import from_rfc3339, rfc3339
from gateway.topics import check_channel

Decode: TypeAlias = Literal["auto", "json", "text", "number", "raw"]

_any = msgspec.json.Decoder().decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError)

MAX_DEPTH = 200  # levels: what reads a frame later, here or in a client, is not to run out of stack
MAX_NUMBER = 64  # characters: a double has 17 digits
DAY = 86_400_000  # ms; a time that is further ahead than that is a mistake
# A number as printf and people write it. Possessive: no text makes the match go back.
_NUMBER = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_JSON_NUMBER = re.compile(
    r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
)  # RFC 8259 section 6
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"|([\[{])|([\]}])', re.DOTALL)


class Reading(NamedTuple):
    """One value: channel, the value's JSON text, and when it was measured (ms) if the device said
    so.
    """

    channel: str
    value: str
    ts: int | None = None


def one_value(payload: bytes, how: Decode = "auto") -> str:
    """Return a payload as JSON text on one line; raises `Untranslatable` where `how` does not fit."""
    if how == "raw":
        return _as_base64(payload)
    if how == "text":
        return to_json(_text(payload))
    if how == "number":
        return _as_number(payload)
    try:
        _decode(payload)
    except _NOT_JSON as error:
        if how == "json":
            raise Untranslatable(f"not JSON: {_reason(error)}") from None
    else:
        return _one_line(payload)
    try:
        return to_json(payload.decode())
    except UnicodeDecodeError:
        return _as_base64(payload)


def readings(payload: bytes, now: int, how: Decode = "auto") -> list[Reading]:
    """Return the values of a payload whose channels are in it: the body of
    `devices/{device}/telemetry`. `now`: when it arrived, ms.

    A JSON object: each key is a channel. `{"ts": ..., "values": {...}}`, or with `ago` in place of
    `ts`, or an array of those, carries the device's own time. What begins like an object or an
    array and is not JSON is a mistake. Anything else is the channel `value`. Raises
    `Untranslatable`.
    """
    if how not in {"auto", "json"}:
        return [Reading("value", one_value(payload, how))]
    try:
        value = _decode(payload)
    except _NOT_JSON:
        meant = "json" if payload.lstrip()[:1] in {b"{", b"["} else how
        return [Reading("value", one_value(payload, meant))]
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


def timestamp(value: Any, now: int) -> int:
    """Return a device's own time, ms since 1970 or RFC 3339 text, as whole ms since 1970 UTC;
    raises `Untranslatable`.
    """
    if isinstance(value, str):
        try:
            ts = from_rfc3339(value)
        except ValueError as error:
            raise Untranslatable(f"ts: {value[:40]!r}: {error}") from None
    elif _is_ms(value):
        ts = int(value)
    else:
        raise Untranslatable(
            f"ts: {value!r:.40} is neither milliseconds since 1970 nor an RFC 3339 time"
        )
    if ts > now + DAY:
        raise Untranslatable(f"ts: {rfc3339(ts)} is more than a day ahead; it is {rfc3339(now)}")
    return ts


def before(value: Any, now: int) -> int:
    """Return the time so many ms before `now`; raises `Untranslatable`."""
    if not _is_ms(value) or value > now:
        raise Untranslatable(f"ago: {value!r:.40} is not a number of milliseconds before now")
    return now - int(value)


def _is_ms(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= MAX_TS


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


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise Untranslatable(f"not UTF-8 text: {error.reason} at byte {error.start}") from None


def _as_number(payload: bytes) -> str:
    text = _text(payload).strip()
    if len(text) > MAX_NUMBER:
        raise Untranslatable(f"not a number: it has more than {MAX_NUMBER} characters")
    if not _NUMBER.fullmatch(text) or not math.isfinite(number := float(text)):
        raise Untranslatable(f"not a number: {text[:40]!r}")
    return text if _JSON_NUMBER.fullmatch(text) else to_json(number)


def _as_base64(payload: bytes) -> str:
    return f'{{"base64":"{base64.b64encode(payload).decode()}"}}'


def _reason(error: Exception) -> str:
    return str(error).removeprefix("JSON is malformed: ")
