"""What a device is: the checks of one source, a person's edits, and the merge of all of them."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import about
from gateway.errors import Invalid

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "unit", "channels", "commands", "tags", "interval", "t", "+"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def test_what_a_device_says_is_taken_as_it_is() -> None:
    """Every key of the contract is kept, whole numbers stay whole."""
    said = {
        "name": "Kitchen",
        "manufacturer": "Espressif",
        "model": "ESP8266",
        "version": "1.3.0",
        "interval": 60,
        "tags": ["ground floor"],
        "channels": {
            "temperature": {
                "name": "Temperature",
                "unit": "°C",
                "kind": "temperature",
                "min": -20,
                "max": 60,
                "digits": 1,
            }
        },
        "commands": {
            "fan": {"name": "Fan", "type": "boolean", "channel": "fan"},
            "target": {"type": "number", "min": 5, "max": 30, "step": 0.5, "unit": "°C"},
            "mode": {"type": "choice", "options": ["eco", "warm"], "channel": "mode"},
            "message": {"type": "text", "max": 80},
            "reboot": {"type": "button"},
        },
    }
    assert about.announced(msgspec.json.encode(said)) == said


@pytest.mark.parametrize("payload", [b"", b" \r\n"])
def test_an_empty_announcement_withdraws_it(payload: bytes) -> None:
    """A retained topic that is cleared leaves nothing behind."""
    assert about.announced(payload) == {}


def test_unknown_keys_of_a_device_are_left_out() -> None:
    """A sketch that is newer than its gateway still has a name."""
    assert about.announced(b'{"name":"A","colour":"red"}') == {"name": "A"}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "at most"),
        (b"[" * 9_000, "not JSON"),
        (b"[1]", "expected an object, got a list"),
        (b'{"name":5}', "name: expected a text, got a number"),
        (b'{"interval":0}', "interval"),
        (b'{"channels":{"a+":{}}}', "'a+' is not a channel"),
        (b'{"channels":{"t":{"digits":11}}}', "digits"),
        (b'{"commands":{"c":{"type":"slider"}}}', "type"),
        (b'{"name":"' + b"x" * 201 + b'"}', "name"),
        (b'{"name":"' + b"x" * 17_000 + b'"}', "16,384 bytes"),
        (b"\xff", "not JSON"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(payload: bytes, reason: str) -> None:
    """A person can mend the sketch from the message alone."""
    with pytest.raises(Invalid) as caught:
        about.announced(payload)
    assert reason in str(caught.value)


def test_at_most_a_thousand_channels() -> None:
    """One announcement does not fill the gateway's memory."""
    with pytest.raises(Invalid, match="channels: at most 1000"):
        about.checked({"channels": {f"c{n}": {} for n in range(1001)}})


@pytest.mark.parametrize(
    ("written", "shown"),
    [("C", "°C"), ("lux", "lx"), (" W ", "W"), ("VAr", "var"), ("bananas", "bananas")],
)
def test_units_are_spelt_as_home_assistant_does(written: str, shown: str) -> None:
    """Whatever firmware writes, one unit has one spelling."""
    assert about.checked({"channels": {"t": {"unit": written}}}) == {
        "channels": {"t": {"unit": shown}}
    }


def test_names_cannot_turn_the_text_around_them() -> None:
    """Control characters and direction marks are taken out of what people read."""
    assert about.checked({"name": "a\u202eb\nc\x1b[2J"}) == {"name": "ab c [2J"}


def test_an_edit_is_a_merge_patch() -> None:
    """null takes an edit back; other members stay (RFC 7396)."""
    edits = about.edited({}, {"name": "A", "channels": {"t": {"unit": "K", "name": "T"}}})
    assert edits == {"name": "A", "channels": {"t": {"unit": "K", "name": "T"}}}
    edits = about.edited(edits, {"name": None, "channels": {"t": {"unit": None}}})
    assert edits == {"channels": {"t": {"name": "T"}}}
    assert about.edited(edits, {"channels": {"t": {"name": None}}}) == {}


@pytest.mark.parametrize(
    ("patch", "key"),
    [
        ({"colour": "red"}, "colour"),
        ({"channels": {"t": {"units": "K"}}}, "channels.t.units"),
        ({"commands": {"c": {"typ": "text"}}}, "commands.c.typ"),
    ],
)
def test_a_person_is_told_of_a_misspelt_key(patch: Any, key: str) -> None:
    """What a person writes and we would pass over is an error."""
    with pytest.raises(Invalid, match=key):
        about.edited({}, patch)


def test_edits_are_bounded() -> None:
    """Edits have the bound of an announcement, however many steps they come in."""
    edits: about.About = {}
    for n in range(70):
        edits = about.edited(edits, {"channels": {f"c{n}": {"name": "x" * 200}}})
    with pytest.raises(Invalid, match="bytes of edits"):
        about.edited(edits, {"channels": {f"d{n}": {"name": "x" * 200} for n in range(20)}})


def test_a_later_source_wins_field_by_field() -> None:
    """A person's edit over the device's word, that over the convention's."""
    known = {"manufacturer": "Sonoff", "channels": {"POWER": {"name": "Power", "unit": "x"}}}
    said = {"name": "Plug", "channels": {"POWER": {"unit": "W"}}}
    edits = {"name": "Lamp", "channels": {"POWER": {"digits": 0}}}
    assert about.merged(known, said, edits) == {
        "manufacturer": "Sonoff",
        "name": "Lamp",
        "channels": {"POWER": {"name": "Power", "unit": "W", "digits": 0}},
    }


@given(JSON, JSON)
def test_any_json_is_taken_or_refused(first: Any, second: Any) -> None:
    """Whatever comes, the answer is a checked form, which is taken again as it is, or `Invalid`."""
    try:
        kept = about.edited(about.edited({}, first), second)
    except Invalid:
        return
    assert about.announced(msgspec.json.encode(kept)) == kept == about.fitting(kept)
    assert about.merged(kept, kept) == kept


def test_of_a_convention_s_words_the_fitting_ones_are_kept() -> None:
    """One bad name does not cost the others."""
    said = {
        "name": "x" * 300,
        "model": 5,
        "channels": {"t": {"unit": "C"}, "a+": {}, "b": {"unit": 5}},
        "commands": "none",
    }
    assert about.fitting(said) == {"name": "x" * 200, "channels": {"t": {"unit": "°C"}}}


@given(st.binary(max_size=40))
def test_any_bytes_are_taken_or_refused(payload: bytes) -> None:
    """An announcement is an object of ours or `Invalid`."""
    try:
        said = about.announced(payload)
    except Invalid:
        return
    assert about.checked(said) == said
