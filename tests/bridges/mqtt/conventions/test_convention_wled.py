"""WLED: brightness, colour and state become channels, its commands short texts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.about import checked
from gateway.bridges.mqtt.conventions.convention import Describe, Hello, Reply, Status
from gateway.bridges.mqtt.conventions.wled import ABOUT, Wled
from gateway.errors import GatewayError, Invalid, Untranslatable
from tests.bridges.mqtt.conventions.spoken import Spoken

HELLO = Hello("strip", "WLED-a1b2c3", "wled/a1b2c3/status", b"offline")
STATE = (
    '<?xml version="1.0" ?><vs><ac>128</ac><cl>255</cl><cl>160</cl><cl>0</cl><fx>9</fx>'
    "<sx>128</sx><ix>64</ix><fp>0</fp><ps>-1</ps><ds>Shelf</ds><ss>0</ss></vs>"
)


@pytest.fixture
def strip() -> Spoken:
    """Return a strip with its topic as it comes from the factory."""
    return Spoken(Wled(), HELLO)


@pytest.mark.parametrize(
    ("hello", "root"),
    [
        (HELLO, "wled/a1b2c3"),
        (Hello("s", "", "attic/status", b"offline", ("attic", "attic/col", "attic/api")), "attic"),
        (Hello("s", "WLED-1", "attic/status", b"offline"), "attic"),
        (Hello("s", "", "kitchen/status", b"offline", ("kitchen/command",)), None),
        (Hello("s", "", "wled/x/status", b"lost"), None),
    ],
)
def test_it_is_told_from_others_with_such_a_will(hello: Hello, root: str | None) -> None:
    """ESPHome has the same will; the subscriptions tell them apart."""
    found = Wled().recognise(hello)
    assert (found.topic if found else None) == root


def test_its_values(strip: Spoken) -> None:
    """Brightness is two channels, and the XML the rest."""
    assert strip.values("wled/a1b2c3/g", "128") == {"brightness": 128, "on": True}
    assert strip.values("wled/a1b2c3/g", "0") == {"brightness": 0, "on": False}
    assert strip.values("wled/a1b2c3/c", "#FFA000") == {"color": "#FFA000"}
    assert strip.values("wled/a1b2c3/v", STATE) == {
        "effect": 9,
        "speed": 128,
        "intensity": 64,
        "palette": 0,
        "preset": -1,
    }
    assert strip.values("wled/a1b2c3/button/0", "short") == {"button": "short"}


def test_it_is_described(strip: Spoken) -> None:
    """What it has is known; its name comes with its state."""
    facts = strip.facts("wled/a1b2c3/status", "online")
    assert facts == [Describe(ABOUT), Status("online")]
    assert strip.about("wled/a1b2c3/v", STATE)["name"] == "Shelf"
    assert not any(type(fact) is Describe for fact in strip.facts("wled/a1b2c3/v", STATE))
    assert checked(ABOUT) == ABOUT


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("on", True, ("wled/a1b2c3", b"ON")),
        ("on", False, ("wled/a1b2c3", b"OFF")),
        ("brightness", 300, ("wled/a1b2c3", b"255")),
        ("color", "#00FF00", ("wled/a1b2c3/col", b"#00FF00")),
        ("effect", 2, ("wled/a1b2c3/api", b'{"seg":[{"fx":2}]}')),
        ("preset", 3, ("wled/a1b2c3/api", b'{"ps":3}')),
        ("api", {"on": True}, ("wled/a1b2c3/api", b'{"on":true}')),
    ],
)
def test_commands(strip: Spoken, name: str, value: Any, sent: tuple[str, bytes]) -> None:
    """Its parser looks for letters: only exact texts are sent."""
    assert strip.write(name, value) == [sent]


@pytest.mark.parametrize(
    ("name", "value"), [("color", "red"), ("brightness", "T"), ("brightness", True), ("x", 1)]
)
def test_what_it_would_misread_is_refused(strip: Spoken, name: str, value: Any) -> None:
    """A stray T would toggle the light."""
    with pytest.raises(Invalid, match="#RRGGBB"):
        strip.write(name, value)


def test_the_new_state_answers(strip: Spoken) -> None:
    """Each state answers the command that sets it, once."""
    strip.write("on", True)
    strip.write("effect", 9)
    assert strip.replies("wled/a1b2c3/g", "128") == [Reply("on", "true")]
    assert strip.replies("wled/a1b2c3/v", STATE) == [Reply("effect", "9")]
    assert strip.replies("wled/a1b2c3/g", "128") == []


@pytest.mark.parametrize(
    ("topic", "payload"), [("g", "256"), ("g", "x"), ("c", "red"), ("v", "<vs>"), ("status", "up")]
)
def test_what_does_not_fit_is_told(strip: Spoken, topic: str, payload: str) -> None:
    """A reason, and no value."""
    with pytest.raises(Untranslatable):
        strip.facts(f"wled/a1b2c3/{topic}", payload)


@pytest.mark.parametrize("topic", ["wled/a1b2c3", "wled/a1b2c3/api", "wled/other/g"])
def test_topics_that_say_nothing(strip: Spoken, topic: str) -> None:
    """Its base topic takes commands; it says nothing there."""
    assert strip.facts(topic, "128") == []


@given(st.sampled_from(["g", "c", "v", "status", "button/0"]), st.binary(max_size=60))
def test_anything_is_read_or_refused(topic: str, payload: bytes) -> None:
    """No message ends anything."""
    strip = Spoken(Wled(), HELLO)
    try:
        assert strip.facts(f"wled/a1b2c3/{topic}", payload)
    except GatewayError:
        return
