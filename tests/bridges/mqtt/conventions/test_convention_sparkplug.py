"""Sparkplug B: births describe, data comes by alias, gaps ask for a rebirth, deaths have
numbers.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.about import checked, fitting
from gateway.bridges.mqtt.conventions.convention import (
    Describe,
    Hello,
    Outgoing,
    Reply,
    Status,
    Value,
)
from gateway.bridges.mqtt.conventions.sparkplug import REBIRTH, Sparkplug
from gateway.bridges.mqtt.conventions.sparkplug_payload import (
    BOOLEAN,
    BYTES,
    DOUBLE,
    FLOAT,
    Metric,
    Payload,
    decoded,
    encoded,
)
from gateway.errors import GatewayError, Invalid, Untranslatable
from tests.bridges.mqtt.conventions.spoken import Spoken

HELLO = Hello("plant", "", "spBv1.0/Acme/NDEATH/line1", b"")
NODE = Payload(
    1_763_673_303_000,
    [
        Metric("bdSeq", None, None, 8, 3),
        Metric(REBIRTH, 1, None, BOOLEAN, False),
        Metric("Tank 1/Level", 2, 1_763_673_302_000, DOUBLE, 12.5, "cm"),
        Metric("Pump", 3, None, BOOLEAN, True),
    ],
    0,
)
DEVICE = Payload(
    1_763_673_303_500,
    [
        Metric("Count", 10, None, 3, -5),
        Metric("Name", 11, None, 12, "Motor"),
        Metric("Raw", 12, None, BYTES, b"\x00\xff"),
        Metric("Nothing", 13, None, FLOAT, None),
    ],
    1,
)
B = "spBv1.0/Acme"


@pytest.fixture
def node() -> Spoken:
    """Return a node that was born, with a device."""
    node = Spoken(Sparkplug(), HELLO)
    node.facts(f"{B}/NBIRTH/line1", encoded(NODE))
    node.facts(f"{B}/DBIRTH/line1/motor", encoded(DEVICE))
    return node


def test_the_root_is_learned_from_the_will() -> None:
    """Group and node are its own; a device's death is no will."""
    root = Sparkplug().recognise(HELLO)
    assert root is not None
    assert (root.topic, root.hub) == ("spBv1.0/Acme/line1", True)
    assert root.publish == ("spBv1.0/Acme/+/line1", "spBv1.0/Acme/+/line1/+")
    for will in ("spBv1.0/Acme/DDEATH/line1/x", "spBv1.0//NDEATH/x", "tele/x/LWT", None):
        assert Sparkplug().recognise(Hello("p", "", will)) is None


def test_a_birth_describes_and_has_the_first_values() -> None:
    """Units come from a property; the node's controls are its metrics."""
    node = Spoken(Sparkplug(), HELLO)
    facts = node.facts(f"{B}/NBIRTH/line1", encoded(NODE))
    assert facts[0] == Status("online")
    assert facts[1] == Describe(
        {
            "name": "line1",
            "model": "Sparkplug B",
            "channels": {"Tank 1/Level": {"unit": "cm"}, "Pump": {}},
            "commands": {
                REBIRTH: {"type": "button"},
                "Tank 1/Level": {"type": "number", "channel": "Tank 1/Level"},
                "Pump": {"type": "boolean", "channel": "Pump"},
            },
        }
    )
    assert facts[2:] == [
        Value("Tank 1/Level", "12.5", 1_763_673_302_000),
        Value("Pump", "true", 1_763_673_303_000),
    ]


def test_devices_are_children(node: Spoken) -> None:
    """Signed numbers, texts and bytes have their form; null is no value."""
    assert node.values(f"{B}/DBIRTH/line1/motor", encoded(DEVICE._replace(seq=2))) == {
        ("line1-motor", "Count"): -5,
        ("line1-motor", "Name"): "Motor",
        ("line1-motor", "Raw"): {"base64": "AP8="},
    }


def test_data_comes_by_alias(node: Spoken) -> None:
    """Only what has changed, with the time of the payload."""
    data = Payload(5, [Metric(None, 2, None, DOUBLE, 13.0)], 2)
    assert node.facts(f"{B}/NDATA/line1", encoded(data)) == [Value("Tank 1/Level", "13.0", 5)]
    data = Payload(6, [Metric(None, 10, None, 3, 7)], 3)
    assert node.facts(f"{B}/DDATA/line1/motor", encoded(data)) == [
        Value("Count", "7", 6, "line1-motor")
    ]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (f"{B}/NDATA/line1", Payload(5, [Metric(None, 99, None, DOUBLE, 1.0)], 2)),
        (f"{B}/NDATA/line1", Payload(5, [], 7)),
        (f"{B}/DDATA/line1/unborn", Payload(5, [], 2)),
    ],
)
def test_what_was_lost_is_asked_for(node: Spoken, topic: str, payload: Payload) -> None:
    """An alias never born, a gap in the sequence, a device never born: once, until it is reborn."""
    [asked] = node.facts(topic, encoded(payload))
    assert isinstance(asked, Outgoing)
    assert asked.topic == "spBv1.0/Acme/NCMD/line1"
    assert decoded(asked.payload).metrics == [Metric(REBIRTH, None, None, BOOLEAN, True)]
    again = Payload(5, [Metric(None, 99, None, DOUBLE, 1.0)], 90)
    assert node.facts(f"{B}/NDATA/line1", encoded(again)) == []
    node.facts(f"{B}/NBIRTH/line1", encoded(NODE))
    assert len(node.facts(f"{B}/DDATA/line1/motor", encoded(again))) == 1


def test_a_death_counts_with_its_birth(node: Spoken) -> None:
    """The will of an older connection says nothing of this one."""
    old = Payload(None, [Metric("bdSeq", None, None, 8, 2)], None)
    assert node.facts(f"{B}/NDEATH/line1", encoded(old)) == []
    mine = Payload(None, [Metric("bdSeq", None, None, 8, 3)], None)
    assert node.facts(f"{B}/NDEATH/line1", encoded(mine)) == [
        Status("offline"),
        Status("offline", "line1-motor"),
    ]
    assert node.facts(f"{B}/DDEATH/line1/motor", b"") == [Status("offline", "line1-motor")]


def test_commands_are_metrics(node: Spoken) -> None:
    """By name and alias; the metric in the next data answers."""
    [(topic, payload)] = node.write("Pump", False)
    assert topic == "spBv1.0/Acme/NCMD/line1"
    assert decoded(payload).metrics == [Metric("Pump", 3, None, BOOLEAN, False)]
    data = Payload(5, [Metric(None, 3, None, BOOLEAN, False)], 2)
    assert node.replies(f"{B}/NDATA/line1", encoded(data)) == [Reply("Pump", "false")]
    [(topic, payload)] = node.write("Count", -7, "line1-motor")
    assert topic == "spBv1.0/Acme/DCMD/line1/motor"
    assert decoded(payload).metrics[0].value == -7


@pytest.mark.parametrize(
    ("name", "value", "child"),
    [
        ("Pump", 1, None),
        ("Count", 2.5, "line1-motor"),
        ("Count", 1 << 40, "line1-motor"),
        ("Name", 5, "line1-motor"),
        ("Raw", "x", "line1-motor"),
        ("Missing", 1, None),
        ("Pump", True, "nobody"),
    ],
)
def test_what_does_not_fit_is_not_sent(node: Spoken, name: str, value: Any, child: Any) -> None:
    """A metric has the datatype of its birth."""
    with pytest.raises(Invalid):
        node.write(name, value, child)


@pytest.mark.parametrize(
    "topic",
    [f"{B}/NDATA/other", "spBv1.0/Else/NDATA/line1", f"{B}/NCMD/line1", f"{B}/NBIRTH/line1/x"],
)
def test_topics_that_say_nothing(node: Spoken, topic: str) -> None:
    """Others' topics and commands make no frames."""
    assert node.facts(topic, encoded(NODE)) == []


def test_it_is_asked_for_its_birth() -> None:
    """A node that was born before we listened is described, too."""
    [(topic, _)] = [(m.topic, m.payload) for m in Spoken(Sparkplug(), HELLO).dialect.greeting()]
    assert topic == "spBv1.0/Acme/NCMD/line1"


@pytest.mark.parametrize(
    "metric",
    [
        Metric("a", 1, 2, 1, -128),
        Metric("a", None, None, 2, -1),
        Metric("a", None, None, 4, -(1 << 63)),
        Metric("a", None, None, 8, (1 << 64) - 1),
        Metric("a", None, None, FLOAT, 1.5),
        Metric(None, 7, None, 12, "ü", "°C"),
        Metric("a", None, None, BOOLEAN, None),
    ],
)
def test_payloads_there_and_back(metric: Metric) -> None:
    """What is written is read again."""
    payload = Payload(1, [metric], 255)
    assert decoded(encoded(payload)) == payload


def test_numbers_that_json_cannot_hold_are_refused() -> None:
    """NaN in a metric is a reason, not a frame."""
    with pytest.raises(Untranslatable, match="nan"):
        decoded(encoded(Payload(1, [Metric("a", None, None, DOUBLE, float("nan"))], 0)))


@given(st.sampled_from(["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA"]), st.data())
def test_a_payload_cut_or_changed_anywhere(kind: str, data: Any) -> None:
    """Facts or a reason, whatever the bytes."""
    whole = encoded(data.draw(st.sampled_from([NODE, DEVICE])))
    cut = data.draw(st.integers(0, len(whole)))
    payload = (
        whole[:cut] + data.draw(st.binary(max_size=4)) + whole[cut + data.draw(st.integers(0, 4)) :]
    )
    node = Spoken(Sparkplug(), HELLO)
    device = "/motor" if kind[0] == "D" else ""
    try:
        facts = node.facts(f"{B}/{kind}/line1{device}", payload)
    except GatewayError:
        return
    for fact in facts:
        if isinstance(fact, Describe):
            assert checked(fitting(fact.about)) == fitting(fact.about)
