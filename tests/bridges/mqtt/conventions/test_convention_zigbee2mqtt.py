"""Zigbee2MQTT: announced devices become children with units and controls; sets are answered."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.about import checked, fitting
from gateway.bridges.mqtt.conventions.convention import (
    Describe,
    Hello,
    Removed,
    Reply,
    Status,
)
from gateway.bridges.mqtt.conventions.zigbee2mqtt import MAX_CHILDREN, Zigbee2Mqtt
from gateway.errors import GatewayError, Invalid, Untranslatable
from tests.bridges.mqtt.conventions.spoken import Spoken

HELLO = Hello("z2m", "", "zigbee2mqtt/bridge/state", b'{"state":"offline"}')
SENSOR = {
    "ieee_address": "0x00158d00018255df",
    "type": "EndDevice",
    "friendly_name": "Living room/window",
    "manufacturer": "LUMI",
    "model_id": "lumi.weather",
    "software_build_id": "3000-0001",
    "definition": {
        "model": "WSDCGQ11LM",
        "vendor": "Aqara",
        "exposes": [
            {
                "type": "numeric",
                "name": "temperature",
                "property": "temperature",
                "unit": "°C",
                "access": 1,
                "label": "Temperature",
            },
            {"type": "numeric", "name": "battery", "property": "battery", "unit": "%", "access": 1},
            {"type": "enum", "name": "action", "property": "action", "access": 1, "values": ["x"]},
        ],
    },
}
PLUG = {
    "ieee_address": "0x00158d0001",
    "type": "Router",
    "friendly_name": "plug",
    "definition": {
        "model": "ZNCZ02LM",
        "vendor": "Xiaomi",
        "exposes": [
            {
                "type": "switch",
                "features": [
                    {
                        "type": "binary",
                        "name": "state",
                        "property": "state",
                        "access": 7,
                        "value_on": "ON",
                        "value_off": "OFF",
                        "value_toggle": "TOGGLE",
                    }
                ],
            },
            {"type": "numeric", "name": "power", "property": "power", "unit": "W", "access": 5},
        ],
    },
}
LIGHT = {
    "ieee_address": "0xabc",
    "type": "Router",
    "friendly_name": "lamp",
    "definition": {
        "model": "LED1545G12",
        "vendor": "IKEA",
        "exposes": [
            {
                "type": "light",
                "features": [
                    {
                        "type": "binary",
                        "name": "state",
                        "property": "state_l1",
                        "access": 7,
                        "value_on": "ON",
                        "value_off": "OFF",
                    },
                    {
                        "type": "numeric",
                        "name": "brightness",
                        "property": "brightness",
                        "access": 7,
                        "value_min": 0,
                        "value_max": 254,
                    },
                    {
                        "type": "composite",
                        "name": "color_xy",
                        "property": "color",
                        "access": 7,
                        "features": [
                            {"type": "numeric", "name": "x", "property": "x", "access": 7}
                        ],
                    },
                ],
            },
            {
                "type": "enum",
                "name": "effect",
                "property": "effect",
                "access": 2,
                "values": ["blink", "okay"],
            },
        ],
    },
}
COORDINATOR = {"ieee_address": "0x1", "type": "Coordinator", "friendly_name": "Coordinator"}
WINDOW, PLUG_ID, LAMP = "0x00158d00018255df", "0x00158d0001", "0xabc"


@pytest.fixture
def hub() -> Spoken:
    """Return a hub that has announced a sensor, a plug and a lamp."""
    hub = Spoken(Zigbee2Mqtt(), HELLO)
    hub.facts("zigbee2mqtt/bridge/devices", [COORDINATOR, SENSOR, PLUG, LIGHT])
    return hub


def test_it_is_a_hub_at_its_base_topic(hub: Spoken) -> None:
    """Base topics have any number of levels; others' wills are not taken for it."""
    assert hub.root.hub
    assert hub.root.publish[0] == "zigbee2mqtt/#"
    deep = Zigbee2Mqtt().recognise(Hello("z", "", "home/zigbee/bridge/state", b"offline"))
    assert deep is not None
    assert deep.topic == "home/zigbee"
    assert Zigbee2Mqtt().recognise(Hello("z", "", "tele/x/LWT", b"offline")) is None
    assert Zigbee2Mqtt().recognise(Hello("z", "", None)) is None


def test_a_sensor_is_described_with_its_units() -> None:
    """Vendor, model and channels come from its definition; the coordinator is no device."""
    facts = Spoken(Zigbee2Mqtt(), HELLO).facts("zigbee2mqtt/bridge/devices", [COORDINATOR, SENSOR])
    assert facts == [
        Describe(
            {
                "name": "Living room/window",
                "manufacturer": "Aqara",
                "model": "WSDCGQ11LM",
                "version": "3000-0001",
                "channels": {
                    "temperature": {"name": "Temperature", "unit": "°C", "kind": "temperature"},
                    "battery": {"name": "battery", "unit": "%", "kind": "battery"},
                    "action": {"name": "action", "event": True},
                },
                "commands": {},
            },
            WINDOW,
        )
    ]


def test_a_light_has_its_controls() -> None:
    """Wrapped features and endpoints count by their property; write-only ones show no channel."""
    about = Spoken(Zigbee2Mqtt(), HELLO).about("zigbee2mqtt/bridge/devices", [LIGHT])
    assert about["commands"] == {
        "state_l1": {"name": "state", "type": "boolean", "channel": "state_l1"},
        "brightness": {
            "name": "brightness",
            "type": "number",
            "min": 0,
            "max": 254,
            "channel": "brightness",
        },
        "effect": {"name": "effect", "type": "choice", "options": ["blink", "okay"]},
    }
    assert set(about["channels"]) == {"state_l1", "brightness", "color"}


def test_values_of_children(hub: Spoken) -> None:
    """A name with a slash is one name; null and empty actions are no values."""
    said = {"temperature": 27.34, "linkquality": 105, "action": "", "battery": None}
    assert hub.values("zigbee2mqtt/Living room/window", said) == {
        (WINDOW, "temperature"): 27.34,
        (WINDOW, "linkquality"): 105,
    }
    said = {"state": "ON", "color": {"x": 0.3, "y": 0.4}, "update": {"state": "idle"}}
    assert hub.values("zigbee2mqtt/plug", said) == {
        (PLUG_ID, "state"): True,
        (PLUG_ID, "color/x"): 0.3,
        (PLUG_ID, "color/y"): 0.4,
        (PLUG_ID, "update/state"): "idle",
    }
    assert hub.values("zigbee2mqtt/plug/power", "12.5") == {(PLUG_ID, "power"): 12.5}
    assert hub.values("zigbee2mqtt/plug/state", "OFF") == {(PLUG_ID, "state"): False}


@pytest.mark.parametrize(
    "topic",
    [
        "zigbee2mqtt/nobody",
        "zigbee2mqtt/plug/set",
        "zigbee2mqtt/plug/get",
        "zigbee2mqtt/bridge/definitions",
        "zigbee2mqtt/bridge/response/permit_join",
        "other/plug",
    ],
)
def test_topics_that_say_nothing(hub: Spoken, topic: str) -> None:
    """Its own commands and lists, and children that were not announced, make no frames."""
    assert hub.facts(topic, {"state": "ON"}) == []


def test_presence_of_bridge_and_children(hub: Spoken) -> None:
    """Both forms of a state are known."""
    assert hub.facts("zigbee2mqtt/bridge/state", {"state": "online"}) == [Status("online")]
    assert hub.facts("zigbee2mqtt/bridge/state", "offline") == [Status("offline")]
    assert hub.facts("zigbee2mqtt/plug/availability", {"state": "offline"}) == [
        Status("offline", PLUG_ID)
    ]
    with pytest.raises(Untranslatable, match="online or offline"):
        hub.facts("zigbee2mqtt/plug/availability", "perhaps")


def test_a_set_is_answered_by_the_new_state(hub: Spoken) -> None:
    """The state of the property that was set is the reply, in the form of the channel."""
    assert hub.write("state", True, PLUG_ID) == [("zigbee2mqtt/plug/set", b'{"state":"ON"}')]
    assert hub.replies("zigbee2mqtt/plug", {"power": 1}) == []
    assert hub.replies("zigbee2mqtt/lamp", {"state": "ON"}) == []
    assert hub.replies("zigbee2mqtt/plug", {"power": 1, "state": "ON"}) == [
        Reply("state", "true", child=PLUG_ID)
    ]
    assert hub.replies("zigbee2mqtt/plug", {"state": "ON"}) == []


def test_several_properties_at_once(hub: Spoken) -> None:
    """The command `set` carries an object as it is."""
    sent = hub.write("set", {"state": "ON", "brightness": 9}, LAMP)
    assert sent == [("zigbee2mqtt/lamp/set", b'{"state":"ON","brightness":9}')]
    assert [r.name for r in hub.replies("zigbee2mqtt/lamp", {"brightness": 9})] == ["set"]


def test_a_failed_set_is_told(hub: Spoken) -> None:
    """Only the text of the log tells what has failed."""
    hub.write("state", True, PLUG_ID)
    text = "Publish 'set' 'state' to 'plug' failed: 'timeout'"
    other = {"level": "error", "message": "Publish 'set' 'state' to 'lamp' failed"}
    assert hub.replies("zigbee2mqtt/bridge/logging", other) == []
    assert hub.replies("zigbee2mqtt/bridge/logging", {"level": "error", "message": text}) == [
        Reply("state", error=text, child=PLUG_ID)
    ]


def test_commands_to_the_bridge_itself(hub: Spoken) -> None:
    """Its requests are commands of the hub."""
    assert hub.write("permit_join", {"time": 60}) == [
        ("zigbee2mqtt/bridge/request/permit_join", b'{"time":60}')
    ]


def test_a_child_that_was_not_announced_cannot_be_told(hub: Spoken) -> None:
    """The sender hears why."""
    with pytest.raises(Invalid, match="not been announced"):
        hub.write("state", True, "0xdead")


def test_a_renamed_device_keeps_its_id(hub: Spoken) -> None:
    """Only the name changes; the old topic means nothing any more."""
    renamed = {**PLUG, "friendly_name": "heater"}
    facts = hub.facts("zigbee2mqtt/bridge/devices", [SENSOR, renamed, LIGHT])
    assert [(type(fact).__name__, fact.child) for fact in facts] == [("Describe", PLUG_ID)]
    assert hub.facts("zigbee2mqtt/plug", {"power": 1}) == []
    assert hub.values("zigbee2mqtt/heater", {"power": 1}) == {(PLUG_ID, "power"): 1}


def test_a_device_that_is_not_in_the_list_is_removed(hub: Spoken) -> None:
    """A list is the whole of it; what is unchanged is not told again."""
    assert hub.facts("zigbee2mqtt/bridge/devices", [SENSOR, LIGHT]) == [Removed(PLUG_ID)]
    assert hub.facts("zigbee2mqtt/bridge/devices", [SENSOR, LIGHT]) == []


def test_groups_are_children_too(hub: Spoken) -> None:
    """A group has the switch that all its members have."""
    facts = hub.facts("zigbee2mqtt/bridge/groups", [{"id": 1, "friendly_name": "all"}])
    assert isinstance(facts[0], Describe)
    assert facts[0].child == "group-zigbee2mqtt-1"
    assert hub.values("zigbee2mqtt/all", {"state": "OFF"}) == {
        ("group-zigbee2mqtt-1", "state"): False
    }
    assert hub.values("zigbee2mqtt/plug", {"state": "OFF"}) == {(PLUG_ID, "state"): False}


def test_children_are_bounded(hub: Spoken) -> None:
    """An announcement of 100,000 devices makes no more than a hub may have."""
    many = [{"ieee_address": f"0x{n}", "friendly_name": f"n{n}"} for n in range(3000)]
    described = [f for f in hub.facts("zigbee2mqtt/bridge/devices", many) if type(f) is Describe]
    assert len(described) == MAX_CHILDREN


WORDS = ["ieee_address", "friendly_name", "definition", "exposes", "type", "property", "access"]
WORDS += ["features", "values", "value_min", "unit", "state", "level", "message", "id", "label"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["ON", "binary", "enum", "a/+"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*WORDS, "", "+"]), inner, max_size=5)
    ),
    max_leaves=15,
)
TOPICS = ["bridge/devices", "bridge/groups", "bridge/state", "bridge/logging", "bridge/info"]


@given(st.sampled_from([*TOPICS, "plug", "plug/availability", "plug/x"]), JSON, st.binary())
def test_anything_is_read_or_refused(topic: str, value: Any, noise: bytes) -> None:
    """No message ends anything, and what is described is in the form of `about`."""
    for payload in (value, [value], [{**PLUG, "definition": value}], noise):
        hub = Spoken(Zigbee2Mqtt(), HELLO)
        hub.facts("zigbee2mqtt/bridge/devices", [PLUG])
        try:
            facts = hub.facts(f"zigbee2mqtt/{topic}", payload)
        except GatewayError:
            continue
        for fact in facts:
            if isinstance(fact, Describe):
                assert checked(fitting(fact.about)) == fitting(fact.about)
