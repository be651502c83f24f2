"""Packets of protocol version 0.2, in text messages: each argument stands in `[/"` and `"/]`.

A message is `[/"event"/][/"payload"/]`, the payload JSON if it parses, else a string. The first
packet of a client is `[/"id"/][/"type"/][/"{json}"/]`. The last argument may contain anything,
brackets and separators included.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gateway.bridges.iotio.packets import Packet
from gateway.errors import Invalid, Untranslatable
from gateway.frames import to_json
from gateway.payloads import one_value

_OPEN, _BETWEEN, _CLOSE = '[/"', '"/][/"', '"/]'
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')  # of JSON
_decode = msgspec.json.Decoder().decode


def arguments(text: str, count: int) -> list[str]:
    """Take a packet of `count` arguments apart, without what stands around it; raises `Invalid`."""
    start, end = text.find(_OPEN), text.rfind(_CLOSE)
    if start < 0 or end < start + len(_OPEN):
        raise Invalid('a packet looks like [/"event"/][/"payload"/]')
    found = text[start + len(_OPEN) : end].split(_BETWEEN, count - 1)
    if len(found) != count:
        raise Invalid(f"the packet has {len(found)} arguments, not {count}")
    return found


def decode(text: str) -> Packet:
    """Read a message; raises `Invalid`."""
    event, payload = arguments(text, 2)
    return Packet(event, _value(payload))


def _value(payload: str) -> str:
    try:
        return one_value(payload.encode(), "auto")
    except (Untranslatable, UnicodeEncodeError) as error:
        raise Invalid(str(error)) from None


def encode(event: str, value: str) -> str:
    """Return the message of an event and a JSON text.

    A string goes as it is. One with brackets, which their client would drop, goes as a JSON string
    that writes them as escapes, as do those within other values: it reads them back.
    """
    return f"{_OPEN}{event}{_BETWEEN}{_payload(_decode(value), value)}{_CLOSE}"


def _payload(value: Any, text: str) -> str:
    if isinstance(value, str):
        return _without_brackets(to_json(value)) if "[" in value or "]" in value else value
    return _STRING.sub(lambda found: _without_brackets(found[0]), text)


def _without_brackets(text: str) -> str:
    return text.replace("[", "\\u005b").replace("]", "\\u005d")
