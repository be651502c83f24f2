"""SenML (RFC 8428), as JSON and as CBOR."""

import json
from typing import Any

import cbor2

from gateway.payloads.reading import Reading
from gateway.payloads.senml import senml_cbor_readings, senml_json_readings

NOW = 1_763_673_303_125
PACK = (
    b'[{"bn":"urn:dev:ow:10e2073a01080063:","bt":1763673300,"bu":"A","bver":5,"n":"voltage",'
    b'"u":"V","v":120.1},{"n":"current","t":-5,"v":1.2},{"n":"on","vb":true},'
    b'{"n":"label","vs":"x"},{"n":"data","vd":"AP-_"}]'
)


def found(readings: list[Reading]) -> dict[str, Any]:
    """Return values by channel."""
    return {r.channel: json.loads(r.value) for r in readings}


def test_senml_base_values_hold_for_later_records() -> None:
    """Names, times and values add up (RFC 8428 section 5.1.3); the URN of the device is left
    out.
    """
    assert found(senml_json_readings(PACK, NOW)) == {
        "voltage": 120.1,
        "current": 1.2,
        "on": True,
        "label": "x",
        "data": {"base64": "AP+/"},
    }
    times = {r.channel: r.ts for r in senml_json_readings(PACK, NOW)}
    assert times["voltage"] == 1_763_673_300_000
    assert times["current"] == 1_763_673_295_000


def test_senml_in_cbor_has_labels_for_names() -> None:
    """Numbers stand for the names of members (RFC 8428 section 6)."""
    pack = cbor2.dumps([{-2: "a/", -5: 10, 0: "b", 2: 1}, {0: "c"}, {0: "d", 5: 7}])
    assert found(senml_cbor_readings(pack, NOW)) == {"a/b": 11, "a/c": 10, "a/d/sum": 7}


def test_small_senml_times_count_from_now() -> None:
    """A board without a clock says how long ago (RFC 8428 section 4.5.3)."""
    pack = b'[{"n":"a","v":1,"t":-10},{"n":"b","v":1,"t":0},{"n":"c","v":1}]'
    assert [r.ts for r in senml_json_readings(pack, NOW)] == [NOW - 10_000, None, None]
