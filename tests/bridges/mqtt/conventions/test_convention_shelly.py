"""Shelly Gen2 and later: notifications become values, calls are answered exactly."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.about import checked, fitting
from gateway.bridges.mqtt.conventions.convention import Describe, Hello, Reply, Status, Value
from gateway.bridges.mqtt.conventions.shelly import Shelly
from gateway.errors import GatewayError, Invalid, Untranslatable
from tests.bridges.mqtt.conventions.spoken import Spoken, asked

P = "shellyplus1pm-44179394d4d4"
HELLO = Hello("plug", P, f"{P}/online", b"false")
STATUS = {
    "id": 0,
    "source": "MQTT",
    "output": True,
    "apower": 8.9,
    "voltage": 237.5,
    "current": 0.04,
    "aenergy": {"total": 6.532, "by_minute": [1, 2], "minute_ts": 1626935779},
    "temperature": {"tC": 23.5, "tF": 74.4},
}


@pytest.fixture
def plug() -> Spoken:
    """Return a Shelly Plus 1PM."""
    return Spoken(Shelly(), HELLO)


def answer(plug: Spoken, id_: str, result: Any) -> Any:
    """Let the device answer a call."""
    payload = {"id": id_, "src": P, "dst": "devices/plug/replies", "result": result}
    return plug.facts("devices/plug/replies/rpc", payload)


@pytest.mark.parametrize(
    ("topic", "payload", "filters", "root"),
    [
        (f"{P}/online", b"false", (), P),
        ("house/hall/online", b"false", (), "house/hall"),
        ("shellies/hall/online", b"false", ("shellies/hall/rpc",), "shellies/hall"),
        ("shellies/shelly1-112233/online", b"false", (), None),
        (f"{P}/online", b"offline", (), None),
        ("tele/x/LWT", b"false", (), None),
        ("online", b"false", (), None),
    ],
)
def test_the_prefix_is_learned_from_the_will(
    topic: str, payload: bytes, filters: tuple[str, ...], root: str | None
) -> None:
    """A prefix may have levels; below `shellies/` the first generation has the same will."""
    found = Shelly().recognise(Hello("p", "", topic, payload, filters))
    assert (found.topic if found else None) == root


def test_a_notification_is_values_with_their_time(plug: Spoken) -> None:
    """Factory settings send only these; what is left out has not changed."""
    note = {
        "src": P,
        "dst": f"{P}/events",
        "method": "NotifyStatus",
        "params": {"ts": 1631186545.04, "switch:0": {"id": 0, "apower": 8.9}},
    }
    facts = plug.facts(f"{P}/events/rpc", note)
    assert Value("switch/0/apower", "8.9", 1631186545040) in facts
    assert plug.values(f"{P}/events/rpc", note) == {"switch/0/apower": 8.9}


def test_a_status_topic_says_the_same(plug: Spoken) -> None:
    """Where `status_ntf` is on, the same channels come by it; what is said twice is left out."""
    assert plug.values(f"{P}/status/switch:0", STATUS) == {
        "switch/0/output": True,
        "switch/0/apower": 8.9,
        "switch/0/voltage": 237.5,
        "switch/0/current": 0.04,
        "switch/0/aenergy/total": 6.532,
        "switch/0/temperature/tC": 23.5,
    }


def test_it_is_described_by_what_it_answers(plug: Spoken) -> None:
    """Name, model and version by one call, names of components by another, units by a table."""
    answer(plug, "Shelly.GetDeviceInfo", {"name": "Heater", "model": "SNSW-001P16EU", "ver": "1.4"})
    answer(
        plug, "Shelly.GetStatus", {"switch:0": STATUS, "devicepower:0": {"battery": {"percent": 5}}}
    )
    about = answer(plug, "Shelly.GetConfig", {"switch:0": {"id": 0, "name": "Fan"}})[-1].about
    assert (about["manufacturer"], about["name"]) == ("Shelly", "Heater")
    assert (about["model"], about["version"]) == ("SNSW-001P16EU", "1.4")
    assert about["channels"]["switch/0/apower"] == {
        "unit": "W",
        "kind": "power",
        "name": "Fan apower",
    }
    assert about["channels"]["devicepower/0/battery/percent"] == {"unit": "%", "kind": "battery"}
    assert about["commands"] == {
        "switch/0/output": {"name": "Fan", "type": "boolean", "channel": "switch/0/output"}
    }


def test_a_cover_has_buttons_and_a_position(plug: Spoken) -> None:
    """Models with a cover are told by percent or by word."""
    about = answer(plug, "Shelly.GetStatus", {"cover:0": {"state": "open", "current_pos": 40}})[
        -1
    ].about
    assert {name: each["type"] for name, each in about["commands"].items()} == {
        "cover/0/current_pos": "number",
        "cover/0/open": "button",
        "cover/0/close": "button",
        "cover/0/stop": "button",
    }
    [(topic, payload)] = plug.write("cover/0/stop", None)
    assert topic == f"{P}/rpc"
    assert msgspec.json.decode(payload) == {
        "id": "0123456789abcdef",
        "src": "devices/plug/replies",
        "method": "Cover.Stop",
        "params": {"id": 0},
    }


def test_button_presses_are_events(plug: Spoken) -> None:
    """A push is told apart from a state."""
    params = {"ts": 1, "events": [{"component": "input:0", "event": "single_push", "ts": 1.7e9}]}
    facts = plug.facts(f"{P}/events/rpc", {"method": "NotifyEvent", "params": params})
    assert facts[0] == Value("input/0/event", '"single_push"', 1_700_000_000_000)
    assert isinstance(facts[1], Describe)
    assert facts[1].about["channels"] == {"input/0/event": {"event": True}}


def test_presence(plug: Spoken) -> None:
    """Its will, and what it says when it connects."""
    assert plug.facts(f"{P}/online", "true") == [Status("online")]
    assert plug.facts(f"{P}/online", "false") == [Status("offline")]
    with pytest.raises(Untranslatable, match="true or false"):
        plug.facts(f"{P}/online", "on")


def test_it_is_asked_who_it_is(plug: Spoken) -> None:
    """The answers come back on the device's own topics."""
    [first, *_] = asked(plug.dialect.greeting())
    assert first[0] == f"{P}/rpc"
    assert b'"src":"devices/plug/replies","method":"Shelly.GetDeviceInfo"' in first[1]


def test_a_call_is_answered_exactly(plug: Spoken) -> None:
    """By its id, which is that of the command; an unknown id answers nothing."""
    plug.write("switch/0/output", True)
    assert answer(plug, "other", {"was_on": False}) == []
    assert answer(plug, "0123456789abcdef", {"was_on": False}) == [
        Reply("switch/0/output", '{"was_on":false}', id="0123456789abcdef")
    ]
    assert answer(plug, "0123456789abcdef", {"was_on": False}) == []


def test_a_refused_call_has_failed(plug: Spoken) -> None:
    """The device's own words reach the sender."""
    plug.write("Switch.Set", {"id": 9, "on": True})
    payload = {"id": "0123456789abcdef", "error": {"code": -105, "message": "id 9 not found"}}
    reply = plug.replies("devices/plug/replies/rpc", payload)[0]
    assert (reply.name, reply.error) == ("Switch.Set", "id 9 not found (-105)")


@pytest.mark.parametrize(("name", "value"), [("fan", 1), ("switch/0/apower", 1), ("A.B", 3)])
def test_what_it_does_not_know_is_said(plug: Spoken, name: str, value: Any) -> None:
    """Nothing is sent that no Shelly understands."""
    with pytest.raises(Invalid):
        plug.write(name, value)


@pytest.mark.parametrize("topic", [f"{P}/debug/log", f"{P}/command", "other/status/x", f"{P}/rpc"])
def test_topics_that_say_nothing(plug: Spoken, topic: str) -> None:
    """Its log and its own commands make no frames."""
    assert plug.facts(topic, {"a": 1}) == []


WORDS = ["method", "params", "events", "event", "component", "switch:0", "ts", "id", "result", "a"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([*WORDS, "a+#"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*WORDS, "", "+", "name"]), inner, max_size=5)
    ),
    max_leaves=15,
)
TOPICS = [f"{P}/events/rpc", f"{P}/status/x+y", f"{P}/online", "devices/plug/replies/rpc"]


@given(st.sampled_from(TOPICS), JSON, st.sampled_from(["Shelly.GetConfig", "Shelly.GetStatus"]))
def test_anything_is_read_or_refused(topic: str, value: Any, call: str) -> None:
    """No message ends anything."""
    plug = Spoken(Shelly(), HELLO)
    for payload in (
        value,
        {"id": call, "result": value},
        {"method": "NotifyEvent", "params": value},
    ):
        try:
            facts = plug.facts(topic, payload)
        except GatewayError:
            continue
        for fact in facts:
            if isinstance(fact, Describe):
                assert checked(fitting(fact.about)) == fitting(fact.about)
