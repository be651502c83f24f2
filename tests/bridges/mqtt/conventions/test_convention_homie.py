"""Homie 3, 4 and 5: described topic by topic or in a document; children of one root."""

from typing import Any

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
from gateway.bridges.mqtt.conventions.homie import Homie
from gateway.errors import GatewayError, Invalid, Untranslatable
from tests.bridges.mqtt.conventions.spoken import Spoken

FOUR = Hello("car", "", "homie/super-car/$state", b"lost")
FIVE = Hello("car", "", "homie/5/super-car/$state", b"lost")
ATTRIBUTES = {
    "$homie": "4.0.0",
    "$name": "Super car",
    "$nodes": "engine",
    "$implementation": "esp8266",
    "engine/$name": "Engine",
    "engine/$properties": "temperature,speed,mode,on",
    "engine/temperature/$name": "Engine temperature",
    "engine/temperature/$datatype": "float",
    "engine/temperature/$unit": "°C",
    "engine/temperature/$format": "-20:120",
    "engine/speed/$datatype": "integer",
    "engine/speed/$settable": "true",
    "engine/speed/$format": "0:100:5",
    "engine/mode/$datatype": "enum",
    "engine/mode/$format": "eco,sport",
    "engine/mode/$settable": "true",
    "engine/on/$datatype": "boolean",
    "engine/on/$retained": "false",
}
DOCUMENT = {
    "homie": "5.0",
    "version": 7,
    "name": "Super car",
    "type": "car",
    "children": ["trailer"],
    "nodes": {
        "engine": {
            "properties": {
                "temp": {"name": "Temperature", "datatype": "float", "unit": "°C"},
                "on": {"datatype": "boolean", "settable": True},
            }
        }
    },
}


@pytest.fixture
def four() -> Spoken:
    """Return a device of Homie 4 that is ready."""
    device = Spoken(Homie(), FOUR)
    for path, text in ATTRIBUTES.items():
        assert device.facts(f"homie/super-car/{path}", text) == []
    return device


@pytest.fixture
def five() -> Spoken:
    """Return a root device of Homie 5 with a child."""
    device = Spoken(Homie(), FIVE)
    device.facts("homie/5/super-car/$description", DOCUMENT)
    return device


def test_the_root_is_learned_from_the_will() -> None:
    """Homie 5 has a tree; other wills are not taken for it."""
    roots = [Homie().recognise(hello) for hello in (FOUR, FIVE)]
    assert [(r.topic, r.hub) if r else None for r in roots] == [
        ("homie/super-car", False),
        ("homie/5/super-car", True),
    ]
    assert Homie().recognise(Hello("c", "", "tele/x/LWT", b"Offline")) is None
    assert Homie().recognise(Hello("c", "", None)) is None


def test_homie_4_is_described_when_it_is_ready(four: Spoken) -> None:
    """Attributes come one by one before."""
    assert four.facts("homie/super-car/$state", "init") == [Status("online")]
    [described, status] = four.facts("homie/super-car/$state", "ready")
    assert status == Status("online")
    assert isinstance(described, Describe)
    assert described.about == {
        "name": "Super car",
        "model": "esp8266",
        "channels": {
            "engine/mode": {},
            "engine/on": {"event": True},
            "engine/speed": {"min": 0, "max": 100, "step": 5},
            "engine/temperature": {
                "name": "Engine temperature",
                "unit": "°C",
                "min": -20,
                "max": 120,
            },
        },
        "commands": {
            "engine/mode": {
                "type": "choice",
                "options": ["eco", "sport"],
                "channel": "engine/mode",
            },
            "engine/speed": {
                "type": "number",
                "min": 0,
                "max": 100,
                "step": 5,
                "channel": "engine/speed",
            },
        },
    }


def test_values_of_homie_4(four: Spoken) -> None:
    """Texts are read as their datatype says."""
    assert four.values("homie/super-car/engine/temperature", "21.5") == {"engine/temperature": 21.5}
    assert four.values("homie/super-car/engine/speed", "7") == {"engine/speed": 7}
    assert four.values("homie/super-car/engine/on", "true") == {"engine/on": True}
    assert four.values("homie/super-car/engine/mode", "eco") == {"engine/mode": "eco"}
    assert four.values("homie/super-car/$stats/signal", "72") == {"stats/signal": 72.0}
    for path, text in (("speed", "fast"), ("temperature", "nan"), ("on", "yes")):
        with pytest.raises(Untranslatable):
            four.facts(f"homie/super-car/engine/{path}", text)


def test_commands_of_homie_4(four: Spoken) -> None:
    """The property shows the new value; what cannot be set is not sent."""
    assert four.write("engine/speed", 40) == [("homie/super-car/engine/speed/set", b"40")]
    assert four.replies("homie/super-car/engine/speed", "40") == [Reply("engine/speed", "40")]
    assert four.replies("homie/super-car/engine/speed", "40") == []
    with pytest.raises(Invalid, match="cannot be set"):
        four.write("engine/temperature", 1)
    assert four.facts("homie/super-car/engine/speed/set", "40") == []


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("init", "online"),
        ("alert", "online"),
        ("sleeping", "sleeping"),
        ("lost", "offline"),
        ("disconnected", "offline"),
    ],
)
def test_states(four: Spoken, state: str, status: Any) -> None:
    """Sleeping is no fault."""
    assert four.facts("homie/super-car/$state", state) == [Status(status)]


def test_homie_5_is_described_by_a_document() -> None:
    """Its children are announced with it, and their topics are claimed."""
    device = Spoken(Homie(), FIVE)
    facts = device.facts("homie/5/super-car/$description", DOCUMENT)
    assert facts == [
        Claim(("homie/5/trailer/#",)),
        Describe(
            {
                "channels": {
                    "engine/temp": {"name": "Temperature", "unit": "°C"},
                    "engine/on": {},
                },
                "commands": {"engine/on": {"type": "boolean", "channel": "engine/on"}},
                "name": "Super car",
                "model": "car",
            }
        ),
    ]


def test_children_of_homie_5(five: Spoken) -> None:
    """A child has a document of its own, and is lost with its root."""
    document = {"name": "Trailer", "nodes": {"n": {"properties": {"t": {"datatype": "integer"}}}}}
    about = five.about("homie/5/trailer/$description", document)
    assert about["name"] == "Trailer"
    assert five.values("homie/5/trailer/n/t", "5") == {("trailer", "n/t"): 5}
    assert five.facts("homie/5/super-car/$state", "lost") == [
        Status("offline"),
        Status("offline", "trailer"),
    ]
    assert five.facts("homie/5/stranger/n/t", "5") == []
    removed = five.facts("homie/5/super-car/$description", {**DOCUMENT, "children": []})
    assert Removed("trailer") in removed
    assert five.facts("homie/5/trailer/n/t", "5") == []


def test_a_child_of_homie_5_removes_itself(five: Spoken) -> None:
    """An empty `$state` is the end of a device."""
    assert five.facts("homie/5/trailer/$state", "") == [Removed("trailer")]


def test_commands_of_homie_5(five: Spoken) -> None:
    """`$target` is the acceptance."""
    assert five.write("engine/on", True) == [("homie/5/super-car/engine/on/set", b"true")]
    assert five.replies("homie/5/super-car/engine/on/$target", "true") == [
        Reply("engine/on", "true")
    ]
    assert five.replies("homie/5/super-car/engine/on", "true") == []
    with pytest.raises(Invalid):
        five.write("engine/on", True, "nobody")


@given(
    st.sampled_from(["$state", "$description", "n/t", "n/t/$target", "n/p/$datatype", "$stats/x"]),
    st.sampled_from([DOCUMENT, {"nodes": []}, {"nodes": {"n": 5}, "children": [1, "a/b", "c"]}])
    | st.binary(max_size=40),
)
def test_anything_is_read_or_refused(path: str, payload: Any) -> None:
    """No message ends anything."""
    for hello, base in ((FOUR, "homie/super-car"), (FIVE, "homie/5/super-car")):
        device = Spoken(Homie(), hello)
        try:
            facts = device.facts(f"{base}/{path}", payload)
        except GatewayError:
            continue
        for fact in facts:
            if isinstance(fact, Describe):
                assert checked(fitting(fact.about)) == fitting(fact.about)
