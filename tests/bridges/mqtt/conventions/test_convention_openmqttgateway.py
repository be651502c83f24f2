"""OpenMQTTGateway and Theengs: what they hear becomes children with units."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.about import checked, fitting
from gateway.bridges.mqtt.conventions import openmqttgateway
from gateway.bridges.mqtt.conventions.convention import Describe, Hello, Reply, Status, Value
from gateway.bridges.mqtt.conventions.openmqttgateway import OpenMqttGateway, Theengs
from gateway.bridges.mqtt.conventions.rtl_433 import Rtl433
from gateway.errors import GatewayError, Invalid
from tests.bridges.mqtt.conventions.spoken import Spoken

RADIO = Hello("radio", "", None, b"", (), "rtl_433/pi/devices/Nexus-TH/2/42/id")
OMG = Hello("omg", "OMG_ESP32_BLE", "home/OMG_ESP32_BLE/LWT", b"offline")
NEXUS = {
    "time": "2026-11-27 21:51:20",
    "model": "Nexus-TH",
    "id": 42,
    "channel": 2,
    "battery_ok": 1,
    "temperature_C": 20.5,
    "humidity": 83,
}
LYWSD = {
    "id": "4C:33:A6:60:3C:79",
    "name": "LYWSDCGQ",
    "rssi": -63,
    "brand": "Xiaomi",
    "model": "TH Sensor",
    "model_id": "LYWSDCGQ/01ZM",
    "tempc": 19.2,
    "tempf": 66.6,
    "hum": 52.6,
    "batt": 90,
}


@pytest.fixture
def omg() -> Spoken:
    """Return an OpenMQTTGateway."""
    return Spoken(OpenMqttGateway(), OMG)


@pytest.mark.parametrize(
    ("hello", "omg", "theengs"),
    [
        (OMG, True, False),
        (Hello("t", "", "home/TheengsGateway/LWT", b"offline"), False, True),
        (Hello("t", "", "tele/x/LWT", b"Offline"), False, False),
        (Hello("t", "", "tele/x/LWT", b"offline"), False, False),
        (Hello("t", "", "x/LWT", b"offline"), False, False),
    ],
)
def test_two_receivers_with_the_same_topics(hello: Hello, omg: bool, theengs: bool) -> None:
    """Tasmota's will ends in LWT as well."""
    assert (OpenMqttGateway().recognise(hello) is not None) is omg
    assert (Theengs().recognise(hello) is not None) is theengs


def test_a_bluetooth_sensor_is_a_child(omg: Spoken) -> None:
    """Its address is its id; Fahrenheit beside Celsius is left out."""
    facts = omg.facts("home/OMG_ESP32_BLE/BTtoMQTT/4C33A6603C79", LYWSD)
    child = "4C:33:A6:60:3C:79"
    assert facts[0] == Describe(
        {
            "name": "LYWSDCGQ",
            "manufacturer": "Xiaomi",
            "model": "TH Sensor",
            "channels": {
                "rssi": {"unit": "dBm", "kind": "signal_strength"},
                "tempc": {"unit": "°C", "kind": "temperature"},
                "hum": {"unit": "%", "kind": "humidity"},
                "batt": {"unit": "%", "kind": "battery"},
            },
        },
        child,
    )
    assert omg.values("home/OMG_ESP32_BLE/BTtoMQTT/4C33A6603C79", LYWSD) == {
        (child, "rssi"): -63,
        (child, "tempc"): 19.2,
        (child, "hum"): 52.6,
        (child, "batt"): 90,
    }


def test_phones_that_pass_by_are_left_out(omg: Spoken) -> None:
    """What has no model is nobody's sensor."""
    assert omg.facts("home/OMG_ESP32_BLE/BTtoMQTT/AA", {"id": "AA:BB", "rssi": -90}) == []


def test_their_time_is_taken(omg: Spoken) -> None:
    """Where a receiver knows the time, it says it in one of two forms."""
    for said in ({"unixtime": 1_763_673_303}, {"UTCtime": "2025-11-20T21:15:03Z"}):
        facts = omg.facts("home/OMG_ESP32_BLE/BTtoMQTT/x", {**LYWSD, **said})
        assert {fact.ts for fact in facts if type(fact) is Value} == {1_763_673_303_000}


def test_weather_stations_by_omg(omg: Spoken) -> None:
    """The JSON is that of rtl_433."""
    topic = "home/OMG_ESP32_BLE/RTL_433toMQTT/Nexus-TH/2/42"
    said = {"model": "Nexus-TH", "id": 42, "channel": 2, "tempc": 20.5}
    assert omg.values(topic, said) == {("Nexus-TH-2-42", "tempc"): 20.5}


def test_codes_are_events_and_answer_what_was_sent(omg: Spoken) -> None:
    """A 433 MHz code that was sent is heard again."""
    code = {"value": 1315156, "protocol": 1, "length": 24}
    topic = "home/OMG_ESP32_BLE/433toMQTT"
    assert omg.values(topic, code)["433toMQTT/value"] == 1315156
    assert omg.write("MQTTto433", code)[0][0] == "home/OMG_ESP32_BLE/commands/MQTTto433"
    assert omg.replies(topic, code) == [
        Reply("MQTTto433", '{"value":1315156,"protocol":1,"length":24}')
    ]
    assert omg.write("MQTTtoBT/config", {"interval": 0}) == [
        ("home/OMG_ESP32_BLE/commands/MQTTtoBT/config", b'{"interval":0}')
    ]
    for name, child in (("POWER", None), ("MQTTto433", "4C:33")):
        with pytest.raises(Invalid):
            omg.write(name, {}, child)


def test_the_receiver_itself(omg: Spoken) -> None:
    """Its state has its version."""
    said = {"uptime": 9, "version": "v1.8", "freemem": 9, "modules": ["BT"]}
    facts = omg.facts("home/OMG_ESP32_BLE/SYStoMQTT", said)
    assert isinstance(facts[-1], Describe)
    assert facts[-1].about["version"] == "v1.8"
    assert omg.facts("home/OMG_ESP32_BLE/LWT", "online") == [Status("online")]
    assert omg.facts("home/OMG_ESP32_BLE/log", "x") == []


def test_children_of_a_receiver_are_bounded(omg: Spoken) -> None:
    """As those of a radio."""
    for n in range(openmqttgateway.MAX_CHILDREN + 5):
        facts = omg.facts("home/OMG_ESP32_BLE/BTtoMQTT/x", {**LYWSD, "id": f"AA:{n}"})
    assert Describe not in map(type, facts)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "model", "model_id", "unixtime", "UTCtime", "a_C", "", "+"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)


@given(JSON | st.binary(max_size=40))
def test_anything_is_read_or_refused(value: Any) -> None:
    """No message ends anything."""
    topics = ["BTtoMQTT/x", "SYStoMQTT", "433toMQTT", "RTL_433toMQTT/x", "LWT"]
    for spoken, topic in (
        (Spoken(Rtl433(), RADIO), "rtl_433/pi/events"),
        *((Spoken(OpenMqttGateway(), OMG), f"home/OMG_ESP32_BLE/{topic}") for topic in topics),
    ):
        try:
            facts = spoken.facts(topic, value)
        except GatewayError:
            continue
        for fact in facts:
            if isinstance(fact, Describe):
                assert checked(fitting(fact.about)) == fitting(fact.about)
