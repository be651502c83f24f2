"""Formats other than JSON, chosen by content type, on both entrances of a running gateway."""

from __future__ import annotations

import cbor2
import msgspec
import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

BODIES = [
    ("application/cbor", cbor2.dumps({"t": 21.5})),
    ("application/msgpack", msgspec.msgpack.encode({"t": 21.5})),
    ("application/senml+json", b'[{"n":"t","v":21.5}]'),
    ("application/senml+cbor", cbor2.dumps([{0: "t", 2: 21.5}])),
    ("application/vnd.influx.line-protocol", b"t value=21.5"),
]


@pytest.mark.parametrize(("kind", "body"), BODIES)
async def test_a_content_type_chooses_the_format(home, kind: str, body: bytes) -> None:
    """MQTT 5 and HTTP say what they send; the frame is the same."""
    key = home.keys["kitchen"]
    async with home.http.post(
        f"{home.url}/api/v1/devices/kitchen/telemetry",
        data=body,
        headers={"Authorization": f"Bearer {key}", "Content-Type": kind},
    ) as response:
        assert response.status == 200, await response.text()
    speaks_five = home.protocol == paho.MQTTv5
    if speaks_five:
        device = await home.device("kitchen")
        said = Properties(PacketTypes.PUBLISH)
        said.ContentType = kind
        await device.publish("devices/kitchen/telemetry", body, properties=said)
    frames = (await home.get("/frames", filter="kitchen/t", after=0))["frames"]
    assert [frame["value"] for frame in frames] == [21.5] * len(frames)
    assert len(frames) == (2 if speaks_five else 1)


async def test_what_cannot_be_read_is_kept_with_its_reason(home) -> None:
    """The sender is told 400, and the list of rejected messages says why."""
    key = home.keys["kitchen"]
    bodies = [(400, b"\xa1\x61t\xf9\x7e\x00"), (200, b"\xa1\x61t\x01")]
    for status, body in bodies:  # once the second is stored, the first is in the list
        async with home.http.post(
            f"{home.url}/api/v1/devices/kitchen/telemetry",
            data=body,
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/cbor"},
        ) as response:
            assert response.status == status
    assert "nan" in (await home.get("/rejected"))["rejected"][0]["reason"]
