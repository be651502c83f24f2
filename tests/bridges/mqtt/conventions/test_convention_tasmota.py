"""Tasmota: recorded messages of real models become values, descriptions, presence and replies."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.about import checked, fitting
from gateway.bridges.mqtt.conventions.convention import Describe, Hello, Reply, Status
from gateway.bridges.mqtt.conventions.tasmota import Tasmota
from gateway.errors import GatewayError, Untranslatable
from tests.bridges.mqtt.conventions.spoken import Spoken, asked

HELLO = Hello("kitchen", "DVES_1A2B3C", "tele/kitchen/LWT", b"Offline")
PLUG = {
    "ip": "192.168.1.7",
    "dn": "Kitchen",
    "fn": ["Lamp", None, None, None],
    "hn": "kitchen-6972",
    "mac": "DC4F221A2B3C",
    "md": "Sonoff Basic",
    "ty": 0,
    "if": 0,
    "ofln": "Offline",
    "onln": "Online",
    "state": ["OFF", "ON", "TOGGLE", "HOLD"],
    "sw": "15.0.1",
    "t": "kitchen",
    "ft": "%prefix%/%topic%/",
    "tp": ["cmnd", "stat", "tele"],
    "rl": [1, 0, 0, 0],
    "so": {"4": 0},
    "lt_st": 0,
    "ver": 1,
}


@pytest.fixture
def plug() -> Spoken:
    """Return a plug at the topic `kitchen`."""
    return Spoken(Tasmota(), HELLO)


def test_the_root_is_learned_from_the_will(plug: Spoken) -> None:
    """Its three prefixes, its group and its fallback topic are its own; nothing else is."""
    assert set(plug.root.publish) == {
        "cmnd/kitchen/#",
        "stat/kitchen/#",
        "tele/kitchen/#",
        "tasmota/discovery/+/+",
    }
    assert plug.root.subscribe == ("cmnd/kitchen/#", "cmnd/tasmotas/#", "cmnd/DVES_1A2B3C_fb/#")
    assert not plug.root.hub


def test_the_topic_may_come_before_the_prefix() -> None:
    """FullTopic `%topic%/%prefix%/` is as common as the default."""
    plug = Spoken(Tasmota(), Hello("k", "", "house/kitchen/tele/LWT", b"Offline"))
    assert plug.values("house/kitchen/tele/SENSOR", {"DHT11": {"Temperature": 20.5}}) == {
        "DHT11/Temperature": 20.5
    }
    assert plug.write("POWER", True) == [("house/kitchen/cmnd/POWER", b"ON")]


@pytest.mark.parametrize(
    "will", [None, "home/OMG/LWT", "kitchen/status", "tele/LWT", "shellies/tele/online"]
)
def test_others_are_not_taken_for_it(will: str | None) -> None:
    """The will of another firmware is left to its own convention."""
    assert Tasmota().recognise(Hello("k", "", will, b"offline")) is None


@pytest.mark.parametrize(
    ("payload", "channels"),
    [
        (
            {
                "Time": "2026-01-02T10:13:52",
                "DS18B20": {"Id": "0114", "Temperature": 20.6},
                "TempUnit": "C",
            },
            {"DS18B20/Temperature": 20.6},
        ),
        (
            {
                "Time": "2026-01-02T10:13:52",
                "ENERGY": {
                    "TotalStartTime": "2025-01-01T00:00:00",
                    "Total": 0.017,
                    "Yesterday": 0,
                    "Power": [1, 2, 3],
                    "Voltage": 234,
                },
            },
            {
                "ENERGY/Total": 0.017,
                "ENERGY/Yesterday": 0,
                "ENERGY/Power/0": 1,
                "ENERGY/Power/1": 2,
                "ENERGY/Power/2": 3,
                "ENERGY/Voltage": 234,
            },
        ),
        (
            {"Time": "x", "TX23": {"Speed": {"Act": 1.5, "Avg": None}}, "SpeedUnit": "km/h"},
            {"TX23/Speed/Act": 1.5},
        ),
    ],
)
def test_sensors_are_channels_by_their_path(
    plug: Spoken, payload: Any, channels: dict[str, Any]
) -> None:
    """Nested members and lists become levels; times without a zone and units are no values."""
    assert plug.values("tele/kitchen/SENSOR", payload) == channels
    assert plug.values("stat/kitchen/STATUS8", {"StatusSNS": payload}) == channels


def test_a_relay_is_true_or_false_and_comes_once(plug: Spoken) -> None:
    """`stat/kitchen/POWER` says again what RESULT has said."""
    assert plug.values("stat/kitchen/RESULT", {"POWER": "ON"}) == {"POWER": True}
    assert plug.values("stat/kitchen/POWER", "ON") == {}
    state = {"Time": "x", "UptimeSec": 9, "POWER": "OFF", "Dimmer": 7, "Wifi": {"RSSI": 100}}
    assert plug.values("tele/kitchen/STATE", state) == {
        "UptimeSec": 9,
        "POWER": False,
        "Dimmer": 7,
        "Wifi/RSSI": 100,
    }


def test_its_configuration_describes_it(plug: Spoken) -> None:
    """Name, model, version, and a switch for its relay."""
    about = plug.about("tasmota/discovery/DC4F221A2B3C/config", PLUG)
    assert about == {
        "manufacturer": "Tasmota",
        "name": "Kitchen",
        "model": "Sonoff Basic",
        "version": "15.0.1",
        "channels": {"POWER": {"name": "Lamp"}},
        "commands": {"POWER": {"type": "boolean", "channel": "POWER", "name": "Lamp"}},
    }


def test_its_sensors_have_units(plug: Spoken) -> None:
    """The unit of a temperature is said beside it; others are known."""
    sensors = {
        "sn": {
            "Time": "x",
            "AM2301": {"Temperature": 68.1, "Humidity": 40.5, "DewPoint": 43.1},
            "BMP280": {"Pressure": 998.2},
            "ENERGY": {"Power": [1, 2], "ReactivePower": 3, "Factor": 0.5},
            "AS3935": {"Energy": 7},
            "Switch1": "ON",
            "TempUnit": "F",
            "PressureUnit": "hPa",
        },
        "ver": 1,
    }
    assert plug.about("tasmota/discovery/DC4F221A2B3C/sensors", sensors)["channels"] == {
        "AM2301/Temperature": {"unit": "°F", "kind": "temperature"},
        "AM2301/Humidity": {"unit": "%", "kind": "humidity"},
        "AM2301/DewPoint": {"unit": "°F", "kind": "temperature"},
        "BMP280/Pressure": {"unit": "hPa", "kind": "pressure"},
        "ENERGY/Power/0": {"unit": "W", "kind": "power"},
        "ENERGY/Power/1": {"unit": "W", "kind": "power"},
        "ENERGY/ReactivePower": {"unit": "var", "kind": "reactive_power"},
        "ENERGY/Factor": {"kind": "power_factor"},
        "AS3935/Energy": {},
    }


def test_a_light_with_a_shutter_and_a_fan(plug: Spoken) -> None:
    """What a configuration offers is a control each, with its bounds."""
    config = {**PLUG, "rl": [2, 3, 3], "fn": ["Top"], "lt_st": 5, "if": 1}
    commands = plug.about("tasmota/discovery/DC4F221A2B3C/config", config)["commands"]
    assert {name: each["type"] for name, each in commands.items()} == {
        "POWER1": "boolean",
        "ShutterPosition1": "number",
        "Dimmer": "number",
        "CT": "number",
        "Color": "text",
        "FanSpeed": "choice",
    }
    assert commands["CT"] == {"type": "number", "min": 153, "max": 500, "channel": "CT"}


def test_an_announcement_for_other_topics_is_refused(plug: Spoken) -> None:
    """A gadget speaks of itself only."""
    with pytest.raises(Untranslatable, match="another gadget"):
        plug.facts("tasmota/discovery/DC4F221A2B3C/config", {**PLUG, "t": "bedroom"})


def test_presence_is_its_will(plug: Spoken) -> None:
    """The texts are those of its configuration, in another language too."""
    assert plug.facts("tele/kitchen/LWT", "Online") == [Status("online")]
    assert plug.facts("tele/kitchen/LWT", "Offline") == [Status("offline")]
    with pytest.raises(Untranslatable, match="Online or Offline"):
        plug.facts("tele/kitchen/LWT", "da")
    plug.facts("tasmota/discovery/DC4F221A2B3C/config", {**PLUG, "onln": "da", "ofln": "weg"})
    assert plug.facts("tele/kitchen/LWT", "da") == [Status("online")]


@pytest.mark.parametrize(
    ("name", "value", "payload"),
    [
        ("POWER", True, b"ON"),
        ("Dimmer", 30, b"30"),
        ("Color", "#FF0000", b"#FF0000"),
        ("Status", None, b""),
        ("Backlog", "NoDelay;Power1 ON", b"NoDelay;Power1 ON"),
        ("SetOption", {"a": 1}, b'{"a":1}'),
    ],
)
def test_commands_are_text(plug: Spoken, name: str, value: Any, payload: bytes) -> None:
    """A command goes below cmnd, as a person would type it in the console."""
    assert plug.write(name, value) == [(f"cmnd/kitchen/{name}", payload)]


def test_the_next_result_of_its_name_answers_a_command(plug: Spoken) -> None:
    """Names are compared as Tasmota does: without case, and 1 is the first."""
    plug.write("power", True)
    assert plug.replies("stat/kitchen/RESULT", {"Dimmer": 3}) == []
    assert plug.replies("stat/kitchen/RESULT", {"POWER1": "ON"}) == [Reply("power", "true")]
    assert plug.replies("stat/kitchen/RESULT", {"POWER1": "ON"}) == []


def test_an_unknown_command_has_failed(plug: Spoken) -> None:
    """Tasmota answers what it does not know, without saying what that was: the oldest."""
    plug.write("Powr", True)
    reply = plug.replies("stat/kitchen/RESULT", {"Command": "Unknown"})[0]
    assert (reply.name, reply.error) == ("Powr", "it knows no such command")
    assert plug.replies("stat/kitchen/RESULT", {"Command": "Unknown"}) == []


def test_what_waits_for_an_answer_is_bounded(plug: Spoken) -> None:
    """A gadget that never answers does not grow."""
    for n in range(100):
        plug.write(f"Var{n}x", n)
    assert plug.replies("stat/kitchen/RESULT", {"Var0x": 0}) == []
    assert len(plug.replies("stat/kitchen/RESULT", {"Var99x": 0})) == 1


def test_zigbee_devices_are_children(plug: Spoken) -> None:
    """Their short addresses change: the name counts where they have one."""
    received = {
        "ZbReceived": {
            "0x2916": {
                "Device": "0x2916",
                "Name": "Küche SNZB-02",
                "Temperature": 26.27,
                "Endpoint": 1,
                "LinkQuality": 105,
            }
        }
    }
    topic = "tele/kitchen/SENSOR"
    assert plug.values(topic, received) == {
        ("K_che_SNZB-02", "Temperature"): 26.27,
        ("K_che_SNZB-02", "LinkQuality"): 105,
    }
    assert not any(isinstance(fact, Describe) for fact in plug.facts(topic, received))
    about = Spoken(Tasmota(), HELLO).about("tele/kitchen/2916/SENSOR", received)
    assert about["name"] == "Küche SNZB-02"
    assert about["channels"]["Temperature"] == {"unit": "°C", "kind": "temperature"}


def test_it_is_asked_for_its_state(plug: Spoken) -> None:
    """Values are there when it connects, not when its next period ends."""
    assert asked(plug.dialect.greeting()) == [
        ("cmnd/kitchen/STATUS", b"8"),
        ("cmnd/kitchen/STATE", b""),
    ]


TOPICS = st.sampled_from(
    [
        "tele/kitchen/SENSOR",
        "tele/kitchen/LWT",
        "tele/kitchen/INFO1",
        "stat/kitchen/RESULT",
        "stat/kitchen/STATUS8",
        "tasmota/discovery/X/config",
        "tasmota/discovery/X/sensors",
    ]
)
WORDS = st.sampled_from(["sn", "tp", "rl", "fn", "t", "ZbReceived", "Command", "lt_st", "a/+", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=10,
)


@given(TOPICS, JSON | st.binary(max_size=30), st.booleans())
def test_anything_is_read_or_refused(topic: str, payload: Any, announced: bool) -> None:
    """No message ends anything: facts, or a reason."""
    plug = Spoken(Tasmota(), HELLO)
    if announced and isinstance(payload, dict):
        payload = {**PLUG, **payload}
    try:
        facts = plug.facts(topic, payload)
    except GatewayError:
        return
    for fact in facts:
        if isinstance(fact, Describe):
            assert checked(fitting(fact.about)) == fitting(fact.about)
