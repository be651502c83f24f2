"""Routes: what a topic is about, and whose it is, asked in one place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridges.mqtt.conventions import gateway
from gateway.bridges.mqtt.routes import Match, Route
from gateway.errors import Invalid

LAMP = Route("zigbee2mqtt/Living room lamp", device="lamp", decode="json")
ROUTES = gateway.routes(
    [
        Route("zigbee2mqtt/{device}", decode="json"),
        LAMP,
        Route("devices/a/{channel...}", device="b"),
    ]
)


@pytest.mark.parametrize(
    ("topic", "kind", "device", "channel"),
    [
        ("devices/a/telemetry", "telemetry", "a", None),
        ("devices/a/telemetry/x/y", "telemetry", "a", "x/y"),
        ("devices/a/status", "status", "a", "status"),
        ("devices/a/commands/fan", "command", "a", "fan"),
        ("devices/a/replies/fan", "reply", "a", "fan"),
        ("devices/a", "carried", "a", None),
        ("devices/c/else", "carried", "c", None),
        ("devices/+/telemetry", "carried", "+", None),
        ("devices/a/telemetry//", "unfit", "a", None),
        ("zigbee2mqtt/plug", "telemetry", "plug", None),
        ("zigbee2mqtt/Living room lamp", "telemetry", "lamp", None),
        ("zigbee2mqtt/Küche", "unfit", "", None),
    ],
)
def test_what_a_topic_is_about(topic: str, kind: str, device: str, channel: str | None) -> None:
    """The gateway's own topics come first; a later route may take what does not fit an earlier
    one.
    """
    match = ROUTES.find(topic)
    assert match is not None
    assert (match.kind, match.device, match.channel) == (kind, device, channel)


@pytest.mark.parametrize("topic", ["", "devices", "else", "zigbee2mqtt/a/b", "$SYS/devices/a"])
def test_what_is_nobody_s(topic: str) -> None:
    """A topic without a route is carried between MQTT clients."""
    assert ROUTES.find(topic) is None


def test_why_a_name_does_not_fit() -> None:
    """The reason names what stands in the topic, in words of a person's."""
    match = ROUTES.find("zigbee2mqtt/Küche")
    assert match is not None
    assert match.reason.startswith("'Küche' is not a device id")


@given(st.lists(st.sampled_from(["devices", "a", "telemetry", "", "+", "#", " ", "ü"]), max_size=5))
def test_below_a_device_all_is_its_own(levels: list[str]) -> None:
    """Whatever stands below `devices/{device}` belongs to that device and to no other."""
    topic = "/".join(levels)
    match = gateway.routes().find(topic)
    if len(levels) > 1 and levels[0] == "devices":
        assert match is not None
        assert match.device == levels[1]
    else:
        assert match is None


@pytest.mark.parametrize(
    "given_",
    [
        {"topic": "x"},
        {"topic": "x/{device}", "device": "y"},
        {"topic": "x/{channel}", "device": "y", "channel": "z"},
        {"topic": "x", "device": "no id"},
    ],
)
def test_no_route(given_: dict[str, str]) -> None:
    """A route names its device once, and its channel at most once."""
    with pytest.raises(Invalid):
        Route(**given_)


def test_filters_cover_all_routes() -> None:
    """An engine that has to subscribe hears of every topic that makes a frame."""
    assert ROUTES.filters[:2] == ["devices/#", "zigbee2mqtt/+"]
    assert Match("carried", "x", None, "raw", None) == gateway.below("devices/x/y")
