"""Cayenne LPP: channel, type, data, as LoRaWAN nodes send it.

Channels become `temperature/1`. A type that is not known ends the reading: nothing says how long
its data is.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.errors import Untranslatable
from gateway.frames import to_json
from gateway.payloads.reading import Reading


class Form(NamedTuple):
    """How a type lies in the payload. `parts`: a name for each number, or one empty name."""

    name: str
    size: int
    signed: bool
    per_unit: int
    parts: tuple[str, ...] = ("",)


# Cayenne LPP 2.0: the numbers are the IPSO objects' less 3200.
FORMS = {
    0: Form("digital_in", 1, False, 1),
    1: Form("digital_out", 1, False, 1),
    2: Form("analog_in", 2, True, 100),
    3: Form("analog_out", 2, True, 100),
    100: Form("generic", 4, False, 1),
    101: Form("illuminance", 2, False, 1),
    102: Form("presence", 1, False, 1),
    103: Form("temperature", 2, True, 10),
    104: Form("humidity", 1, False, 2),
    113: Form("accelerometer", 2, True, 1000, ("x", "y", "z")),
    115: Form("barometer", 2, False, 10),
    116: Form("voltage", 2, False, 100),
    117: Form("current", 2, False, 1000),
    118: Form("frequency", 4, False, 1),
    120: Form("percentage", 1, False, 1),
    121: Form("altitude", 2, True, 1),
    125: Form("concentration", 2, False, 1),
    128: Form("power", 2, False, 1),
    130: Form("distance", 4, False, 1000),
    131: Form("energy", 4, False, 1000),
    132: Form("direction", 2, False, 1),
    134: Form("gyrometer", 2, True, 100, ("x", "y", "z")),
    142: Form("switch", 1, False, 1),
}
GPS = 136
GPS_PARTS = (("latitude", 10_000), ("longitude", 10_000), ("altitude", 100))


def cayenne_readings(payload: bytes, _now: int) -> list[Reading]:
    """Return the values of a payload. Raises `Untranslatable`."""
    if not payload:
        raise Untranslatable("Cayenne LPP: the payload is empty")
    found: list[Reading] = []
    at = 0
    while at < len(payload):
        readings, at = _item(payload, at)
        found += readings
    return found


def _item(payload: bytes, at: int) -> tuple[list[Reading], int]:
    if at + 2 > len(payload):
        raise _cut(at)
    channel, kind = payload[at], payload[at + 1]
    if kind == GPS:
        parts = [(part, 3, True, per_unit) for part, per_unit in GPS_PARTS]
        name = "gps"
    elif kind in FORMS:
        form = FORMS[kind]
        parts = [(part, form.size, form.signed, form.per_unit) for part in form.parts]
        name = form.name
    else:
        raise Untranslatable(f"Cayenne LPP: type {kind} at byte {at + 1} is not known")
    at += 2
    found = []
    for part, size, signed, per_unit in parts:
        data = payload[at : at + size]
        if len(data) < size:
            raise _cut(at)
        number = int.from_bytes(data, "big", signed=signed)
        path = f"{name}/{channel}/{part}" if part else f"{name}/{channel}"
        found.append(Reading(path, to_json(number / per_unit if per_unit > 1 else number)))
        at += size
    return found, at


def _cut(at: int) -> Untranslatable:
    return Untranslatable(f"Cayenne LPP: the payload ends in the middle of a value, at byte {at}")
