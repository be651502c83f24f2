"""The payload of Sparkplug B: the part of its protobuf that metrics need, in both directions.

Source: Eclipse Sparkplug 3.0.0, section 6.4 and sparkplug_b.proto; protobuf.dev, "Encoding".
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.errors import Untranslatable

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_METRICS = 5_000  # of one payload
VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5  # wire types
# Datatypes (section 6.4.16) that fit in a frame.
SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
UNSIGNED = {5: 8, 6: 16, 7: 32, 8: 64, 13: 64}
FLOAT, DOUBLE, BOOLEAN, BYTES = 9, 10, 11, 17
TEXTS = {12, 14, 15}


class Metric(NamedTuple):
    """One metric. `value`: number, truth, text or bytes; None for null and for what has no form in
    a frame (data sets, templates, arrays).
    """

    name: str | None
    alias: int | None
    timestamp: int | None
    datatype: int
    value: Any
    unit: str | None = None


class Payload(NamedTuple):
    """A payload: its time (ms), its metrics, its place in the row of 0 to 255."""

    timestamp: int | None
    metrics: list[Metric]
    seq: int | None


def decoded(data: bytes) -> Payload:
    """Return what a payload says. Raises `Untranslatable` where it is cut or is no protobuf."""
    timestamp = seq = None
    metrics: list[Metric] = []
    for field, value in _fields(data):
        if field == 1 and isinstance(value, int):
            timestamp = value
        elif field == 3 and isinstance(value, int):
            seq = value
        elif field == 2 and isinstance(value, bytes):
            if len(metrics) == MAX_METRICS:
                raise Untranslatable(f"Sparkplug: more than {MAX_METRICS:,} metrics")
            metrics.append(_metric(value))
    return Payload(timestamp, metrics, seq)


def encoded(payload: Payload) -> bytes:
    """Return a payload as bytes."""
    data = b""
    if payload.timestamp is not None:
        data += _key(1, VARINT) + _varint(payload.timestamp)
    for metric in payload.metrics:
        inner = _encoded_metric(metric)
        data += _key(2, DELIMITED) + _varint(len(inner)) + inner
    if payload.seq is not None:
        data += _key(3, VARINT) + _varint(payload.seq)
    return data


# Reading


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field. Raises `Untranslatable`."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        kind, value = key & 7, None
        if kind == VARINT:
            value, at = _read_varint(data, at)
            yield key >> 3, value
            continue
        if kind == DELIMITED:
            size, at = _read_varint(data, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise Untranslatable(f"Sparkplug: wire type {kind} at byte {at - 1}")
        if at + size > len(data):
            raise Untranslatable("Sparkplug: the payload ends in the middle of a field")
        yield key >> 3, data[at : at + size]
        at += size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Untranslatable("Sparkplug: the payload ends in the middle of a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise Untranslatable("Sparkplug: a number of more than ten bytes")


def _metric(data: bytes) -> Metric:
    found: dict[int, Any] = dict(_fields(data))
    datatype = found.get(4, 0)
    name = found.get(1)
    null = bool(found.get(7)) or not isinstance(datatype, int)
    return Metric(
        _text(name) if isinstance(name, bytes) else None,
        found[2] if isinstance(found.get(2), int) else None,
        found[3] if isinstance(found.get(3), int) else None,
        datatype if isinstance(datatype, int) else 0,
        None if null else _value(found, datatype),
        _unit(found[9]) if isinstance(found.get(9), bytes) else None,
    )


def _value(found: dict[int, Any], datatype: int) -> Any:
    """Return the value among fields 10 to 16; what it means depends on the datatype."""
    for field in (10, 11):
        if isinstance(found.get(field), int):
            return _whole(found[field], datatype)
    if isinstance(found.get(12), bytes) and len(found[12]) == 4:
        return _finite(struct.unpack("<f", found[12])[0])
    if isinstance(found.get(13), bytes) and len(found[13]) == 8:
        return _finite(struct.unpack("<d", found[13])[0])
    if isinstance(found.get(14), int):
        return bool(found[14])
    if isinstance(found.get(15), bytes):
        return _text(found[15])
    return found[16] if isinstance(found.get(16), bytes) and datatype == BYTES else None


def _whole(number: int, datatype: int) -> int | None:
    """Signed numbers come as unsigned ones, in two's complement."""
    if datatype in SIGNED:
        bits = SIGNED[datatype]
        number &= (1 << bits) - 1
        return number - (1 << bits) if number >> (bits - 1) else number
    return number & ((1 << UNSIGNED.get(datatype, 64)) - 1)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise Untranslatable(f"Sparkplug: {number} is not a number that JSON can hold")
    return number


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Untranslatable("Sparkplug: a text that is not UTF-8") from None


def _unit(data: bytes) -> str | None:
    """Return the property `engUnit`, which carries the unit by habit."""
    keys: list[str] = []
    values: list[bytes] = []
    for field, value in _fields(data):
        if isinstance(value, bytes):
            if field == 1:
                keys.append(_text(value))
            elif field == 2:
                values.append(value)
    for key, value in zip(keys, values, strict=False):
        text = dict(_fields(value)).get(8)
        if key in ("engUnit", "Engineering Units") and isinstance(text, bytes):
            return _text(text)
    return None


# Writing


def _varint(number: int) -> bytes:
    data = bytearray()
    number &= 0xFFFF_FFFF_FFFF_FFFF
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _bytes(field: int, data: bytes) -> bytes:
    return _key(field, DELIMITED) + _varint(len(data)) + data


def _encoded_metric(metric: Metric) -> bytes:
    data = b""
    if metric.name is not None:
        data += _bytes(1, metric.name.encode())
    if metric.alias is not None:
        data += _key(2, VARINT) + _varint(metric.alias)
    if metric.timestamp is not None:
        data += _key(3, VARINT) + _varint(metric.timestamp)
    data += _key(4, VARINT) + _varint(metric.datatype)
    if metric.value is None:
        data += _key(7, VARINT) + b"\x01"
    else:
        data += _encoded_value(metric.value, metric.datatype)
    if metric.unit is not None:
        value = _key(1, VARINT) + _varint(12) + _bytes(8, metric.unit.encode())
        data += _bytes(9, _bytes(1, b"engUnit") + _bytes(2, value))
    return data


def _encoded_value(value: Any, datatype: int) -> bytes:
    if datatype == BOOLEAN:
        return _key(14, VARINT) + (b"\x01" if value else b"\x00")
    if datatype == FLOAT:
        return _key(12, FIXED32) + struct.pack("<f", value)
    if datatype == DOUBLE:
        return _key(13, FIXED64) + struct.pack("<d", value)
    if datatype in SIGNED or datatype in UNSIGNED:
        bits = SIGNED.get(datatype) or UNSIGNED[datatype]
        return _key(10 if bits < 64 else 11, VARINT) + _varint(value & ((1 << bits) - 1))
    if datatype == BYTES:
        return _bytes(16, value)
    return _bytes(15, str(value).encode())
