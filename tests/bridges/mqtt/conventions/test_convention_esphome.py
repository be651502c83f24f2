"""ESPHome without discovery: the topic tells type and name."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.about import checked, fitting
from gateway.bridges.mqtt.conventions.convention import Describe, Hello, Reply, Status
from gateway.bridges.mqtt.conventions.esphome import TYPES, EspHome
from gateway.errors import GatewayError, Invalid, Untranslatable
from tests.bridges.mqtt.conventions.spoken import Spoken

HELLO = Hello("porch", "porch-84fce6123456", "porch/status", b"offline", ("esphome/discover",))


@pytest.fixture
def node() -> Spoken:
    """Return a node."""
    return Spoken(EspHome(), HELLO)


@pytest.mark.parametrize(
    ("hello", "root"),
    [
        (HELLO, "porch"),
        (Hello("p", "", "a/b/status", b"offline", ("a/b/switch/relay/command",)), "a/b"),
        (Hello("p", "", "porch/status", b"offline", (), "porch/sensor/t/state"), "porch"),
        (Hello("p", "", "wled/a/status", b"offline", ("wled/a/col", "wled/a/api")), None),
        (Hello("p", "", "porch/status", b"offline", ("other",)), None),
        (Hello("p", "", "tele/x/LWT", b"offline"), None),
    ],
)
def test_it_is_told_from_others_with_such_a_will(hello: Hello, root: str | None) -> None:
    """WLED has the same will: subscriptions or the first topic tell."""
    found = EspHome().recognise(hello)
    assert (found.topic if found else None) == root


def test_its_will_alone_is_not_certain() -> None:
    """It may connect; what it subscribes to tells whether it is ESPHome."""
    root = EspHome().recognise(Hello("p", "", "porch/status", b"offline"))
    assert root is not None
    assert not root.certain


@pytest.mark.parametrize(
    ("topic", "payload", "channels"),
    [
        # a weather node
        ("sensor/temperature/state", "21.40", {"temperature": 21.4}),
        ("sensor/co2/state", "812", {"co2": 812}),
        ("sensor/temperature/state", "nan", {}),
        ("sensor/version/state", "2026.10.0", {"version": "2026.10.0"}),
        # a plug
        ("switch/relay/state", "ON", {"relay": True}),
        ("binary_sensor/button/state", "OFF", {"button": False}),
        ("number/limit/state", "20.000000", {"limit": 20.0}),
        ("select/mode/state", "eco", {"mode": "eco"}),
        # a ceiling light with a fan
        ("fan/fan/state", "ON", {"fan": True}),
        ("fan/fan/speed_level/state", "3", {"fan/speed_level": 3}),
        (
            "light/lamp/state",
            {"color_mode": "rgb", "state": "ON", "brightness": 255, "color": {"r": 1}},
            {"lamp/color_mode": "rgb", "lamp": True, "lamp/brightness": 255, "lamp/color/r": 1},
        ),
        ("cover/door/state", "opening", {"door": "opening"}),
        ("event/bell/state", {"event_type": "press"}, {"bell": "press"}),
    ],
)
def test_values(node: Spoken, topic: str, payload: Any, channels: dict[str, Any]) -> None:
    """ON and OFF of switches are true and false; a reading that is not there is no value."""
    assert node.values(f"porch/{topic}", payload) == channels


@pytest.mark.parametrize("topic", ["debug", "switch/relay/command", "x/y/state", "status/x"])
def test_topics_that_say_nothing(node: Spoken, topic: str) -> None:
    """Its log comes many times a second and makes no frame."""
    assert node.facts(f"porch/{topic}", "ON") == []
    assert node.facts("other/switch/relay/state", "ON") == []


def test_it_is_described_as_it_speaks(node: Spoken) -> None:
    """Switches get a control; `esphome/discover` tells name, board and version."""
    about = node.about("porch/switch/relay/state", "ON")
    assert about["commands"] == {"relay": {"type": "boolean", "channel": "relay"}}
    said = {"friendly_name": "Porch", "board": "nodemcu", "version": "2026.10.0", "port": 6053}
    about = node.about("esphome/discover/porch", said)
    assert (about["name"], about["model"], about["version"]) == ("Porch", "nodemcu", "2026.10.0")


def test_with_discovery_it_has_names_and_units(node: Spoken) -> None:
    """What it tells Home Assistant describes the channels that its topics are."""
    device = {
        "ids": "84fce6123456",
        "name": "Porch",
        "sw": "2026.10.0",
        "mdl": "esp32dev",
        "mf": "E",
    }
    sensor = {
        "dev_cla": "temperature",
        "unit_of_meas": "°C",
        "name": "Temperature",
        "stat_t": "porch/sensor/temperature/state",
        "uniq_id": "ESPsensortemperature",
        "dev": device,
    }
    about = node.about("homeassistant/sensor/porch/temperature/config", sensor)
    assert (about["name"], about["model"]) == ("Porch", "esp32dev")
    assert about["channels"]["temperature"] == {
        "name": "Temperature",
        "unit": "°C",
        "kind": "temperature",
    }
    select = {
        "name": "Mode",
        "stat_t": "porch/select/mode/state",
        "cmd_t": "porch/select/mode/command",
        "ops": ["eco", "warm"],
        "dev": device,
    }
    about = node.about("homeassistant/select/porch/mode/config", select)
    assert about["commands"]["mode"] == {
        "type": "choice",
        "options": ["eco", "warm"],
        "channel": "mode",
        "name": "Mode",
    }
    assert node.values("porch/sensor/temperature/state", "21.5") == {"temperature": 21.5}


def test_presence(node: Spoken) -> None:
    """It says goodbye as well."""
    assert node.facts("porch/status", "online") == [Status("online")]
    assert node.facts("porch/status", "offline") == [Status("offline")]
    with pytest.raises(Untranslatable):
        node.facts("porch/status", "")


@pytest.mark.parametrize(
    ("topic", "said", "name", "value", "sent"),
    [
        ("switch/relay/state", "OFF", "relay", True, ("switch/relay/command", b"ON")),
        ("number/limit/state", "1.0", "limit", 20.5, ("number/limit/command", b"20.5")),
        (
            "light/lamp/state",
            {"state": "OFF"},
            "lamp",
            True,
            ("light/lamp/command", b'{"state":"ON"}'),
        ),
        ("cover/door/state", "open", "door", "CLOSE", ("cover/door/command", b"CLOSE")),
        ("select/mode/state", "eco", "mode", "warm", ("select/mode/command", b"warm")),
    ],
)
def test_commands_and_their_answers(
    node: Spoken, topic: str, said: Any, name: str, value: Any, sent: tuple[str, bytes]
) -> None:
    """The next state of the entity answers."""
    node.facts(f"porch/{topic}", said)
    assert node.write(name, value) == [(f"porch/{sent[0]}", sent[1])]
    [reply] = node.replies(f"porch/{topic}", said)
    assert reply.name == name
    assert node.replies(f"porch/{topic}", said) == []


def test_an_entity_that_has_not_spoken_is_named_with_its_type(node: Spoken) -> None:
    """A button never has a state."""
    assert node.write("button/restart", None) == [("porch/button/restart/command", b"PRESS")]
    with pytest.raises(Invalid, match="type/name"):
        node.write("restart", None)
    node.facts("porch/sensor/t/state", "1")
    with pytest.raises(Invalid):
        node.write("t", 5)
    node.write("switch/relay", False)
    assert node.replies("porch/switch/relay/state", "OFF") == [Reply("switch/relay", "false")]


@given(st.sampled_from(sorted(TYPES)), st.binary(max_size=40))
def test_anything_is_read_or_refused(kind: str, payload: bytes) -> None:
    """No message ends anything."""
    node = Spoken(EspHome(), HELLO)
    try:
        facts = node.facts(f"porch/{kind}/x/state", payload)
    except GatewayError:
        return
    for fact in facts:
        if isinstance(fact, Describe):
            assert checked(fitting(fact.about)) == fitting(fact.about)
