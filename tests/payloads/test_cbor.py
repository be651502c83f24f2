"""CBOR is read as the JSON that it stands for; dangerous tags are refused."""

import json
from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Untranslatable
from gateway.payloads.cbor import cbor_readings, decode, one_cbor

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


@given(VALUES)
def test_what_json_can_say_is_the_same(value: Any) -> None:
    """Every such value comes out as it was."""
    assert json.loads(one_cbor(cbor2.dumps(value))) == value


@given(VALUES, st.binary(min_size=1, max_size=3))
def test_bytes_behind_its_end_are_refused(value: Any, more: bytes) -> None:
    """One payload is one value."""
    with pytest.raises(Untranslatable, match="after its end"):
        decode(cbor2.dumps(value) + more)


def test_times_and_channels() -> None:
    """A time is text as elsewhere, and an object's keys are channels."""
    found = cbor_readings(cbor2.dumps({"at": datetime(2026, 1, 2, tzinfo=UTC), "t": 1}), 0)
    assert [(r.channel, r.value) for r in found] == [("at", '"2026-01-02T00:00:00Z"'), ("t", "1")]
