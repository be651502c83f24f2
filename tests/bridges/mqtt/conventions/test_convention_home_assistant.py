"""Home Assistant's discovery as it comes from devices: entities, values, presence, commands."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.about import checked, fitting
from gateway.bridges.mqtt.conventions.convention import (
    Claim,
    Describe,
    Hello,
    Removed,
    Reply,
    Status,
)
from gateway.bridges.mqtt.conventions.discovery import Device, announcement, place_of
from gateway.bridges.mqtt.conventions.home_assistant import HomeAssistant
from gateway.errors import GatewayError, Invalid, Untranslatable
from tests.bridges.mqtt.conventions.spoken import Spoken, asked

HELLO = Hello("station", "", None, b"", (), "homeassistant/sensor/station/t/config")
TEMPERATURE = "homeassistant/sensor/station/temperature/config"
DEVICE = {"ids": ["ea334450945afc"], "name": "Station", "mf": "Bla", "mdl": "xya", "sw": "1.0"}
SENSOR = {
    "~": "x/station",
    "name": "Temperature",
    "stat_t": "~/state",
    "val_tpl": "{{ value_json.temperature }}",
    "unit_of_meas": "°C",
    "dev_cla": "temperature",
    "stat_cla": "measurement",
    "avty_t": "~/status",
    "uniq_id": "t01",
    "dev": DEVICE,
}
BRANCHING = "{% if value_json.power > 0.02 -%} on {% else %} off {%- endif %}"
BUNDLE = {
    "dev": DEVICE,
    "o": {"name": "bla2mqtt", "sw": "2.1"},
    "stat_t": "x/state",
    "cmps": {
        "t1": {
            "p": "sensor",
            "dev_cla": "temperature",
            "unit_of_meas": "°C",
            "val_tpl": "{{ value_json.temperature }}",
            "uniq_id": "t01",
        },
        "h1": {
            "p": "sensor",
            "val_tpl": "{{ value_json.humidity | is_defined }}",
            "uniq_id": "h01",
        },
        "old": {"p": "sensor"},
    },
}


@pytest.fixture
def station() -> Spoken:
    """Return a device that is about to announce itself."""
    return Spoken(HomeAssistant(), HELLO)


def announce(spoken: Spoken, component: str, name: str, **config: Any) -> Any:
    """Announce one entity and return what follows."""
    return spoken.facts(f"homeassistant/{component}/{name}/config", {"dev": DEVICE, **config})


def test_it_is_recognised_by_its_first_topic() -> None:
    """The prefix may be another; other topics are left to others."""
    found = HomeAssistant().recognise(Hello("s", "", None, b"", (), "ha/sensor/x/config"))
    assert found is not None
    assert found.topic == "ha"
    for topic in ("homeassistant/status", "a/b/c", None):
        assert HomeAssistant().recognise(Hello("s", "", None, b"", (), topic)) is None
    assert place_of("homeassistant/sensor/x/config") == ("sensor", "x")


def test_a_sensor_is_announced_with_its_topics(station: Spoken) -> None:
    """Its topics are claimed; the first device is the connection's own."""
    assert station.facts(TEMPERATURE, SENSOR) == [
        Claim(("x/station/state", "x/station/status")),
        Describe(
            {
                "name": "Station",
                "manufacturer": "Bla",
                "model": "xya",
                "version": "1.0",
                "channels": {
                    "temperature": {
                        "name": "Temperature",
                        "unit": "°C",
                        "kind": "temperature",
                    }
                },
                "commands": {},
            }
        ),
    ]
    assert station.values("x/station/state", {"temperature": 21.5}) == {"temperature": 21.5}
    assert station.facts("x/station/status", "offline") == [Status("offline")]
    assert station.facts("x/station/status", "else") == []


def test_a_device_announcement(station: Spoken) -> None:
    """Shared keys hold for all its components; one with nothing but a platform is removed."""
    facts = station.facts("homeassistant/device/bla/config", BUNDLE)
    assert facts[0] == Claim(("x/state",))
    assert set(facts[1].about["channels"]) == {"t1", "h1"}
    assert station.values("x/state", {"temperature": 1, "humidity": 40}) == {"t1": 1, "h1": 40}
    assert station.values("x/state", {"temperature": 1}) == {"t1": 1}


def test_further_devices_are_children(station: Spoken) -> None:
    """A bridge announces many; what hangs on another device is never the connection itself."""
    station.facts(TEMPERATURE, SENSOR)
    config = {"stat_t": "x/2", "dev": {"ids": "second/one", "name": "Second"}}
    facts = station.facts("homeassistant/sensor/two/config", config)
    assert facts[-1].child == "second_one"
    assert station.values("x/2", "5") == {("second_one", "two"): 5}
    bridge = Spoken(HomeAssistant(), HELLO)
    config["dev"] = {"ids": "below", "via_device": "bridge"}
    assert bridge.facts("homeassistant/sensor/two/config", config)[-1].child == "below"


def test_an_empty_announcement_removes_it(station: Spoken) -> None:
    """With its last entity a device is gone; with another left it is described anew."""
    station.facts(TEMPERATURE, SENSOR)
    config = {"stat_t": "x/2", "dev": {"ids": "second"}}
    station.facts("homeassistant/sensor/a/config", config)
    station.facts("homeassistant/sensor/b/config", config)
    [described] = station.facts("homeassistant/sensor/a/config", b"")
    assert isinstance(described, Describe)
    assert set(described.about["channels"]) == {"b"}
    assert station.facts("homeassistant/sensor/b/config", b"") == [Removed("second")]
    assert station.facts("x/2", "5") == []
    assert station.facts(TEMPERATURE, b"") == [Describe({})]
    assert station.facts("homeassistant/sensor/never/config", b"") == []


@pytest.mark.parametrize(
    ("component", "config", "payload", "value"),
    [
        ("sensor", {"unit_of_meas": "W"}, "12.50", 12.5),
        ("sensor", {}, "open", "open"),
        ("sensor", {}, "7", 7),
        ("sensor", {"stat_cla": "measurement"}, "unknown", None),
        ("sensor", {"val_tpl": "{{ value_json['a-b'].c }}"}, '{"a-b":{"c":3}}', 3),
        ("sensor", {"val_tpl": "{{ value_json.x }}"}, '{"a":1}', None),
        ("binary_sensor", {}, "ON", True),
        (
            "binary_sensor",
            {"pl_on": True, "pl_off": False, "val_tpl": "{{ value_json.o }}"},
            '{"o":true}',
            True,
        ),
        ("switch", {"stat_on": "an", "stat_off": "aus", "cmd_t": "c"}, "aus", False),
        ("number", {"cmd_t": "c"}, "4.5", 4.5),
        ("select", {"cmd_t": "c", "ops": ["a"]}, "a", "a"),
        ("text", {"cmd_t": "c"}, "hello", "hello"),
        ("event", {"evt_typ": ["press"]}, '{"event_type":"press"}', "press"),
        ("lock", {"cmd_t": "c"}, "LOCKED", "LOCKED"),
        ("cover", {"cmd_t": "c"}, "opening", "opening"),
        ("light", {"cmd_t": "c"}, "ON", True),
        (
            "sensor",
            {"val_tpl": "{% if value_json.power > 0.02 -%} on {% else %} off {%- endif %}"},
            '{"power":1}',
            "on",
        ),
    ],
)
def test_states(station: Spoken, component: str, config: Any, payload: str, value: Any) -> None:
    """Each component reads its state as Home Assistant does."""
    announce(station, component, "x", stat_t="s/t", **config)
    assert station.values("s/t", payload) == ({} if value is None else {"x": value})


@pytest.mark.parametrize(
    ("component", "config", "payload"),
    [
        ("sensor", {"unit_of_meas": "W"}, "much"),
        ("switch", {"cmd_t": "c"}, "maybe"),
        ("number", {"cmd_t": "c"}, "inf"),
        ("event", {}, "press"),
        ("event", {}, "{}"),
        ("light", {"schema": "json", "cmd_t": "c"}, "ON"),
        ("sensor", {"val_tpl": "{% for i in range(100000) %}{{ i }}{% endfor %}"}, "x"),
        ("sensor", {"val_tpl": "{{ 'a' * 100000000 }}"}, "x"),
        ("sensor", {"val_tpl": "{{ value | nothing }}"}, "x"),
    ],
)
def test_states_that_do_not_fit(station: Spoken, component: str, config: Any, payload: str) -> None:
    """The reason is told; a template that loops or grows runs out of fuel."""
    announce(station, component, "x", stat_t="s/t", **config)
    with pytest.raises(Untranslatable):
        station.facts("s/t", payload)


def test_a_json_light(station: Spoken) -> None:
    """State and brightness share a topic and a command."""
    announce(station, "light", "lamp", stat_t="s", cmd_t="c", schema="json", brightness=True)
    assert station.values("s", {"state": "ON", "brightness": 128}) == {
        "lamp": True,
        "lamp/brightness": 128,
    }
    assert station.write("lamp", False) == [("c", b'{"state":"OFF"}')]
    assert station.write("lamp/brightness", 9) == [("c", b'{"state":"ON","brightness":9}')]


@pytest.mark.parametrize(
    ("component", "config", "name", "value", "sent"),
    [
        ("switch", {}, "x", True, b"ON"),
        ("switch", {"pl_on": "1", "pl_off": "0"}, "x", False, b"0"),
        ("number", {"cmd_tpl": "{{ value | int * 2 }}"}, "x", 4, b"8"),
        ("number", {}, "x", 4.5, b"4.5"),
        ("select", {"ops": ["eco"]}, "x", "eco", b"eco"),
        ("text", {}, "x", "hello", b"hello"),
        ("button", {}, "x", None, b"PRESS"),
        ("cover", {"pl_cls": "down"}, "x", "close", b"down"),
        ("lock", {}, "x", "unlock", b"UNLOCK"),
    ],
)
def test_commands(
    station: Spoken, component: str, config: Any, name: str, value: Any, sent: bytes
) -> None:
    """A command is what the component would send."""
    announce(station, component, "x", cmd_t="s/set", **config)
    assert station.write(name, value) == [("s/set", sent)]


def test_a_climate_has_channels_of_its_own(station: Spoken) -> None:
    """Mode, target and measured temperature are told apart."""
    announce(
        station,
        "climate",
        "hvac",
        modes=["off", "heat"],
        mode_stat_t="m",
        mode_cmd_t="m/set",
        temp_stat_t="t",
        temp_cmd_t="t/set",
        min_temp=5,
        max_temp=30,
        temp_step=0.5,
        curr_temp_t="c",
    )
    assert station.values("m", "heat") == {"hvac/mode": "heat"}
    assert station.values("c", "19.5") == {"hvac/temperature": 19.5}
    assert station.write("hvac/target", 21.5) == [("t/set", b"21.5")]
    about = announce(station, "sensor", "z", stat_t="z")[-1].about
    assert about["commands"] == {
        "hvac/mode": {"type": "choice", "options": ["off", "heat"], "channel": "hvac/mode"},
        "hvac/target": {
            "type": "number",
            "min": 5,
            "max": 30,
            "step": 0.5,
            "channel": "hvac/target",
        },
    }


def test_the_next_state_answers(station: Spoken) -> None:
    """On the entity's own state topic, once."""
    announce(station, "switch", "x", stat_t="s", cmd_t="c")
    station.write("x", True)
    assert station.replies("s", "ON") == [Reply("x", "true")]
    assert station.replies("s", "ON") == []
    for name, value in (("y", True), ("x", "ON")):
        with pytest.raises(Invalid):
            station.write(name, value)


def test_wildcards_and_several_entities_of_one_topic(station: Spoken) -> None:
    """Theengs announces state topics with `+`."""
    announce(station, "sensor", "t", stat_t="+/+/BTtoMQTT/4C33", val_tpl="{{ value_json.tempc }}")
    announce(station, "sensor", "h", stat_t="+/+/BTtoMQTT/4C33", val_tpl="{{ value_json.hum }}")
    assert station.values("home/omg/BTtoMQTT/4C33", {"tempc": 1, "hum": 2}) == {"t": 1, "h": 2}
    assert station.facts("home/BTtoMQTT/4C33", {"tempc": 1}) == []


def test_it_is_asked_to_announce_itself(station: Spoken) -> None:
    """As Home Assistant does when it has started."""
    assert asked(station.dialect.greeting()) == [("homeassistant/status", b"online")]


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        (TEMPERATURE, "[]", "JSON object"),
        (TEMPERATURE, "{", "not JSON"),
        (TEMPERATURE, b"x" * 300_000, "256 KB"),
        ("homeassistant/device/x/config", {"dev": {}}, "without components"),
        ("homeassistant/device/x/config", {"cmps": {"a": 5}}, "not an object"),
        ("homeassistant/device/x/config", {"cmps": {str(n): {} for n in range(501)}}, "500"),
        (TEMPERATURE, {"stat_t": "a\0b"}, "NUL"),
        (TEMPERATURE, {"stat_t": "a", "val_tpl": "x" * 5000}, "template of more than"),
    ],
)
def test_announcements_that_do_not_fit(
    station: Spoken, topic: str, payload: Any, reason: str
) -> None:
    """A reason, and nothing is taken."""
    with pytest.raises(GatewayError, match=reason):
        station.facts(topic, payload)


def test_identifiers_are_a_text_or_a_list() -> None:
    """ESPHome writes a text; connections count too."""
    said = announcement(
        TEMPERATURE, msgspec.json.encode({"dev": {"ids": "a", "cns": [["mac", "b"]]}})
    )
    assert said.device == Device(("a", "b"), None, None, None, None, None)
    with pytest.raises(Untranslatable):
        announcement("homeassistant/sensor", b"{}")


WORDS = [
    "dev",
    "ids",
    "stat_t",
    "cmd_t",
    "val_tpl",
    "cmps",
    "p",
    "avty",
    "t",
    "ops",
    "min",
    "~",
    "pl_on",
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["~/a", "sensor", "{{ value }}", "+", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6)
    ),
    max_leaves=15,
)


@given(
    st.sampled_from(
        ["sensor", "switch", "light", "climate", "cover", "device", "event", "nothing"]
    ),
    JSON | st.dictionaries(st.sampled_from(WORDS), JSON, max_size=8),
    st.sampled_from(["5", "ON", "{}", "\x00"]),
)
def test_anything_is_read_or_refused(component: str, config: Any, payload: str) -> None:
    """No announcement ends anything, whatever its types; its description fits."""
    station = Spoken(HomeAssistant(), HELLO)
    for topic, said in ((f"homeassistant/{component}/x/config", config), ("~/a", payload)):
        try:
            facts = station.facts(topic, said)
        except GatewayError:
            continue
        for fact in facts:
            if isinstance(fact, Describe):
                assert checked(fitting(fact.about)) == fitting(fact.about)
