"""rtl_433: what a radio hears becomes children with units."""

from typing import Any

import pytest

from gateway.bridges.mqtt.conventions import rtl_433
from gateway.bridges.mqtt.conventions.convention import Describe, Hello, Status, Value
from gateway.bridges.mqtt.conventions.rtl_433 import Rtl433
from gateway.errors import Invalid, Untranslatable
from tests.bridges.mqtt.conventions.spoken import Spoken

RADIO = Hello("radio", "", None, b"", (), "rtl_433/pi/devices/Nexus-TH/2/42/id")
NEXUS = {
    "time": "2026-11-27 21:51:20",
    "model": "Nexus-TH",
    "id": 42,
    "channel": 2,
    "battery_ok": 1,
    "temperature_C": 20.5,
    "humidity": 83,
}


@pytest.fixture
def radio() -> Spoken:
    """Return an rtl_433 without a will, as Debian's is."""
    return Spoken(Rtl433(), RADIO)


def test_rtl_433_is_recognised_by_will_or_first_topic() -> None:
    """Only newer ones have a will."""
    by_will = Rtl433().recognise(Hello("r", "", "rtl_433/pi/availability", b"offline"))
    by_topic = Rtl433().recognise(RADIO)
    assert by_will is not None
    assert by_will == by_topic
    assert by_will.hub
    assert Rtl433().recognise(Hello("r", "", None, b"", (), "home/x/LWT")) is None


@pytest.mark.parametrize(
    ("event", "child", "values", "fields"),
    [
        (
            NEXUS,
            "Nexus-TH-2-42",
            {"battery_ok": 1, "temperature_C": 20.5, "humidity": 83},
            {
                "battery_ok": {},
                "temperature_C": {"unit": "°C", "kind": "temperature"},
                "humidity": {"unit": "%", "kind": "humidity"},
            },
        ),
        (
            {
                "time": "x",
                "model": "Fineoffset-WH24",
                "id": "a1",
                "wind_avg_m_s": 1.5,
                "rain_mm": 3,
            },
            "Fineoffset-WH24-a1",
            {"wind_avg_m_s": 1.5, "rain_mm": 3},
            {"wind_avg_m_s": {"unit": "m/s", "kind": "wind_speed"}, "rain_mm": {"unit": "mm"}},
        ),
        (
            {"model": "Schrader/ü", "pressure_kPa": 220.5, "mic": "CRC"},
            "Schrader__",
            {"pressure_kPa": 220.5},
            {"pressure_kPa": {"unit": "kPa", "kind": "pressure"}},
        ),
    ],
)
def test_an_event_is_a_child(
    radio: Spoken, event: Any, child: str, values: dict[str, Any], fields: dict[str, Any]
) -> None:
    """Model, channel and id make its id; units come from the names."""
    facts = radio.facts("rtl_433/pi/events", event)
    assert isinstance(facts[0], Describe)
    assert (facts[0].child, facts[0].about["model"]) == (child, event["model"])
    assert facts[0].about["channels"] == fields
    assert radio.values("rtl_433/pi/events", event) == {(child, k): v for k, v in values.items()}
    assert not any(type(fact) is Describe for fact in radio.facts("rtl_433/pi/events", event))


def test_the_same_fields_on_topics_of_their_own_are_passed_over(radio: Spoken) -> None:
    """rtl_433 says everything twice."""
    assert radio.facts("rtl_433/pi/devices/Nexus-TH/2/42/temperature_C", "20.5") == []
    assert radio.facts("rtl_433/pi/states", "{}") == []


def test_rtl_433_takes_no_commands_and_needs_a_model(radio: Spoken) -> None:
    """It only listens."""
    with pytest.raises(Invalid, match="only listens"):
        radio.write("x", 1, "Nexus-TH-2-42")
    with pytest.raises(Untranslatable, match="without a model"):
        radio.facts("rtl_433/pi/events", {"id": 1})
    assert radio.facts("rtl_433/pi/availability", "offline") == [Status("offline")]


def test_children_of_a_radio_are_bounded(radio: Spoken) -> None:
    """A neighbourhood of sensors that change their ids does not fill the gateway."""
    for n in range(rtl_433.MAX_CHILDREN + 5):
        facts = radio.facts("rtl_433/pi/events", {"model": "X", "id": n, "a": 1})
    assert [type(fact) for fact in facts] == [Value]
