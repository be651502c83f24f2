"""MessagePack is read as the JSON that it stands for."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Untranslatable
from gateway.payloads.messagepack import decode, messagepack_readings, one_messagepack

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


@given(VALUES)
def test_what_json_can_say_is_the_same(value: Any) -> None:
    """Every such value comes out as it was."""
    assert json.loads(one_messagepack(msgspec.msgpack.encode(value))) == value


@given(st.binary(max_size=40))
def test_any_bytes_are_a_value_or_refused(payload: bytes) -> None:
    """What is read can be read again from what it is written as."""
    try:
        value = decode(payload)
        text = one_messagepack(payload)
    except Untranslatable:
        return
    assert (json.loads(text) is None) == (value is None)


def test_members_are_channels() -> None:
    """An object's keys, as in JSON."""
    found = messagepack_readings(msgspec.msgpack.encode({"t": 1, "on": True}), 0)
    assert [(r.channel, r.value) for r in found] == [("t", "1"), ("on", "true")]
    with pytest.raises(Untranslatable, match="not MessagePack"):
        messagepack_readings(b"\xc1", 0)
