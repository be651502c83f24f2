"""Shelly Gen1: a topic for each value; names and units from a table."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.about import checked, fitting
from gateway.bridges.mqtt.conventions.convention import Describe, Hello, Reply, Status
from gateway.bridges.mqtt.conventions.shelly_gen1 import ROWS, ShellyGen1
from gateway.errors import GatewayError, Invalid, Untranslatable
from tests.bridges.mqtt.conventions.spoken import Spoken, asked

R = "shellies/shelly1pm-112233"
HELLO = Hello("pump", "shelly1pm-112233", f"{R}/online", b"false")


@pytest.fixture
def shelly() -> Spoken:
    """Return a Shelly of the first generation."""
    return Spoken(ShellyGen1(), HELLO)


@pytest.mark.parametrize("will", [None, "tele/x/LWT", "house/hall/online", "shellies//online"])
def test_others_are_not_taken_for_it(will: str | None) -> None:
    """Its root is `shellies` and its id."""
    assert ShellyGen1().recognise(Hello("p", "", will, b"false")) is None


@pytest.mark.parametrize(
    ("topic", "payload", "channels"),
    [
        # Shelly 1PM
        ("relay/0", "on", {"relay/0": True}),
        ("relay/0", "overpower", {"relay/0": "overpower"}),
        ("relay/0/power", "57.25", {"relay/0/power": 57.25}),
        ("relay/0/energy", "6000", {"relay/0/energy": 100.0}),
        ("input/0", "1", {"input/0": True}),
        ("input_event/0", {"event": "SSS", "event_cnt": 2}, {"input_event/0": "SSS"}),
        ("ext_temperature/0", "21.5", {"ext_temperature/0": 21.5}),
        ("ext_temperature/0", "999", {}),
        # Shelly 3EM
        ("emeter/2/power", "-12.5", {"emeter/2/power": -12.5}),
        ("emeter/0/total_returned", "8", {"emeter/0/total_returned": 8}),
        # Shelly 2.5 as a roller shutter
        ("roller/0", "stop", {"roller/0": "stop"}),
        ("roller/0/pos", "40", {"roller/0/pos": 40}),
        # Shelly H&T and Door/Window
        ("sensor/battery", "87", {"sensor/battery": 87}),
        ("sensor/state", "open", {"sensor/state": "open"}),
        ("sensor/flood", "false", {"sensor/flood": False}),
        # Shelly Dimmer
        (
            "light/0/status",
            {"ison": True, "brightness": 40, "source": "http"},
            {"light/0/ison": True, "light/0/brightness": 40},
        ),
    ],
)
def test_values(shelly: Spoken, topic: str, payload: Any, channels: dict[str, Any]) -> None:
    """Texts become what they mean; watt-minutes become watt-hours; a missing probe says nothing."""
    assert shelly.values(f"{R}/{topic}", payload) == channels


@pytest.mark.parametrize("topic", ["info", "relay/0/command", "nothing", "command"])
def test_topics_that_say_nothing(shelly: Spoken, topic: str) -> None:
    """What is not in the table makes no frame."""
    assert shelly.facts(f"{R}/{topic}", "x") == []


def test_it_is_described_as_it_speaks(shelly: Spoken) -> None:
    """Its model comes with its announcement, channels and controls with their first values."""
    said = {"id": "shelly1pm-112233", "model": "SHSW-PM", "fw_ver": "20210115", "new_fw": False}
    assert shelly.about("shellies/announce", said) == {
        "manufacturer": "Shelly",
        "model": "SHSW-PM",
        "version": "20210115",
        "channels": {},
        "commands": {},
    }
    shelly.facts(f"{R}/relay/0/power", "1")
    about = shelly.about(f"{R}/relay/0", "off")
    assert about["channels"] == {"relay/0/power": {"unit": "W", "kind": "power"}, "relay/0": {}}
    assert about["commands"] == {"relay/0": {"type": "boolean", "channel": "relay/0"}}
    assert not any(type(fact) is Describe for fact in shelly.facts(f"{R}/relay/0", "on"))


def test_an_announcement_of_another_is_refused(shelly: Spoken) -> None:
    """All of them announce themselves on one topic."""
    with pytest.raises(Untranslatable, match="another Shelly"):
        shelly.facts("shellies/announce", {"id": "shelly1-999999"})


def test_presence_and_greeting(shelly: Spoken) -> None:
    """It is asked to say everything once it is there."""
    assert shelly.facts(f"{R}/online", "true") == [Status("online")]
    assert shelly.facts(f"{R}/online", "false") == [Status("offline")]
    assert asked(shelly.dialect.greeting()) == [
        (f"{R}/command", b"announce"),
        (f"{R}/command", b"update"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "sent", "said", "reply"),
    [
        ("relay/0", True, ("relay/0/command", b"on"), ("relay/0", "on"), "true"),
        ("relay/1", "toggle", ("relay/1/command", b"toggle"), ("relay/1", "off"), "false"),
        ("roller/0", "open", ("roller/0/command", b"open"), ("roller/0", "open"), '"open"'),
        ("roller/0/pos", 40, ("roller/0/command/pos", b"40"), ("roller/0/pos", "40"), "40"),
        (
            "light/0",
            {"turn": "on"},
            ("light/0/set", b'{"turn":"on"}'),
            ("light/0/status", {"ison": True}),
            "true",
        ),
    ],
)
def test_commands_and_their_answers(
    shelly: Spoken,
    name: str,
    value: Any,
    sent: tuple[str, bytes],
    said: tuple[str, Any],
    reply: str,
) -> None:
    """The matching state answers."""
    assert shelly.write(name, value) == [(f"{R}/{sent[0]}", sent[1])]
    assert shelly.replies(f"{R}/sensor/lux", "1") == []
    assert shelly.replies(f"{R}/{said[0]}", said[1]) == [Reply(name, reply)]
    assert shelly.replies(f"{R}/{said[0]}", said[1]) == []


@pytest.mark.parametrize(("name", "value"), [("fan", True), ("relay/0", 5), ("relay/x", True)])
def test_what_it_does_not_know_is_said(shelly: Spoken, name: str, value: Any) -> None:
    """Nothing is sent that it would not understand."""
    with pytest.raises(Invalid):
        shelly.write(name, value)


@given(st.sampled_from(sorted(ROWS)), st.binary(max_size=40))
def test_anything_is_read_or_refused(row: str, payload: bytes) -> None:
    """No message ends anything."""
    shelly = Spoken(ShellyGen1(), HELLO)
    try:
        facts = shelly.facts(f"{R}/{row.replace('N', '0')}", payload)
    except GatewayError:
        return
    for fact in facts:
        if isinstance(fact, Describe):
            assert checked(fitting(fact.about)) == fitting(fact.about)
