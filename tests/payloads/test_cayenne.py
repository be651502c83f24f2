"""Cayenne LPP: each item has its channel and its type."""

import json
from typing import Any

from gateway.payloads.cayenne import cayenne_readings
from gateway.payloads.reading import Reading

NOW = 0


def found(readings: list[Reading]) -> dict[str, Any]:
    """Return values by channel."""
    return {r.channel: json.loads(r.value) for r in readings}


def test_cayenne_items() -> None:
    """Each item has its channel and its type."""
    payload = (
        b"\x03\x67\x01\x10\x05\x67\xff\xd7\x06\x71\x04\xd2\xfb\x2e\x00\x00"
        b"\x01\x88\x06\x76\x5f\xf2\x96\x0a\x00\x03\xe8\x07\x68\x51\x08\x00\x01"
    )
    assert found(cayenne_readings(payload, NOW)) == {
        "temperature/3": 27.2,
        "temperature/5": -4.1,
        "accelerometer/6/x": 1.234,
        "accelerometer/6/y": -1.234,
        "accelerometer/6/z": 0.0,
        "gps/1/latitude": 42.3519,
        "gps/1/longitude": -87.9094,
        "gps/1/altitude": 10.0,
        "humidity/7": 40.5,
        "digital_in/8": 1,
    }
