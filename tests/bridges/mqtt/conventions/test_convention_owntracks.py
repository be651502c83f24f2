"""OwnTracks: a location with its time, and what else a phone says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.about import checked
from gateway.bridges.mqtt.conventions.convention import Describe, Hello, Reply, Status, Value
from gateway.bridges.mqtt.conventions.owntracks import ABOUT, OwnTracks
from gateway.errors import GatewayError, Invalid, Untranslatable
from tests.bridges.mqtt.conventions.spoken import Spoken

T = "owntracks/jane/phone"
HELLO = Hello("jane", "jane phone", T, b'{"_type":"lwt","tst":1700000000}')
LOCATION = {
    "_type": "location",
    "lat": 52.5,
    "lon": 13.4,
    "acc": 14,
    "alt": 35,
    "batt": 81,
    "vel": 0,
    "tst": 1700000000,
    "tid": "ab",
    "t": "u",
    "inregions": ["Home"],
}


@pytest.fixture
def phone() -> Spoken:
    """Return a phone."""
    return Spoken(OwnTracks(), HELLO)


def test_it_is_recognised_by_will_or_first_topic() -> None:
    """The will is the app's choice."""
    assert OwnTracks().recognise(Hello("j", "", None, b"", (), f"{T}/event")) == (
        OwnTracks().recognise(HELLO)
    )
    assert OwnTracks().recognise(Hello("j", "", "owntracks/jane")) is None


def test_a_location_has_its_own_time(phone: Spoken) -> None:
    """Points that were kept come later with the time at which they were taken."""
    facts = phone.facts(T, LOCATION)
    assert facts[0] == Describe(ABOUT)
    assert facts[1] == Status("online")
    assert {fact.ts for fact in facts if type(fact) is Value} == {1_700_000_000_000}
    assert phone.values(T, LOCATION) == {
        "location": {"lat": 52.5, "lon": 13.4, "acc": 14, "alt": 35, "vel": 0},
        "battery": 81,
        "velocity": 0,
        "regions": ["Home"],
    }
    assert checked(ABOUT) == ABOUT


def test_transitions_and_steps(phone: Spoken) -> None:
    """Entering a region is an event."""
    said = {"_type": "transition", "event": "enter", "desc": "Home", "tst": 1700000000}
    assert phone.values(f"{T}/event", said) == {"transition": {"event": "enter", "desc": "Home"}}
    assert phone.values(f"{T}/step", {"_type": "steps", "steps": 40}) == {"steps": 40}


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        (T, {"_type": "card"}),
        (f"{T}/event", {"_type": "x"}),
        (f"{T}/info", {}),
        ("owntracks/o/p", {}),
    ],
)
def test_what_says_nothing(phone: Spoken, topic: str, said: Any) -> None:
    """Cards, pictures and friends make no frames."""
    assert phone.facts(topic, said) == []


@pytest.mark.parametrize(
    ("said", "reason"), [({"_type": "encrypted"}, "encrypted"), ({"_type": "location"}, "lat")]
)
def test_what_cannot_be_read_is_said(phone: Spoken, said: Any, reason: str) -> None:
    """A person can mend it in the app."""
    with pytest.raises(Untranslatable, match=reason):
        phone.facts(T, said)


def test_the_will_is_offline(phone: Spoken) -> None:
    """Its will lies on the topic of its locations."""
    assert phone.facts(T, {"_type": "lwt", "tst": 1}) == [Status("offline")]


def test_a_phone_reports_when_asked(phone: Spoken) -> None:
    """The reported location is marked, and answers."""
    assert phone.write("reportLocation", None) == [
        (f"{T}/cmd", b'{"_type":"cmd","action":"reportLocation"}')
    ]
    assert phone.replies(T, LOCATION) == []
    [reply] = phone.replies(T, {**LOCATION, "t": "r"})
    assert isinstance(reply, Reply)
    assert reply.name == "reportLocation"
    with pytest.raises(Invalid):
        phone.write("setWaypoints", 5)


@given(
    st.dictionaries(
        st.sampled_from(["_type", "lat", "lon", "tst", "batt", "inregions", "steps", "vel"]),
        st.none() | st.integers() | st.floats() | st.sampled_from(["location", "transition"]),
    )
    | st.binary(max_size=40)
)
def test_anything_is_read_or_refused(said: Any) -> None:
    """No message ends anything."""
    for topic in (T, f"{T}/event", f"{T}/step"):
        for payload in (said, {**said, "_type": "location"} if isinstance(said, dict) else said):
            try:
                Spoken(OwnTracks(), HELLO).values(topic, payload)
            except GatewayError:
                continue
