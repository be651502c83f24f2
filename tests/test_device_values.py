"""Values as JSON, without anything but Python's own."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.device.values import decoded, encoded

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_any_value_is_sent(value):
    """Whatever a program has of JSON is JSON on the wire, UTF-8, and NaN is null."""
    json.loads(encoded(value).decode(), parse_constant=pytest.fail)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_null(value):
    """A sensor that fails often says NaN."""
    assert encoded({"t": value, "h": (1, 2.5)}) == b'{"t":null,"h":[1,2.5]}'


def test_what_json_cannot_hold():
    """Objects, sets and what contains itself are the caller's mistake."""
    endless: list[object] = []
    endless.append(endless)
    for value in (object(), {1}, endless):
        with pytest.raises(TypeError):
            encoded(value)


@given(st.binary(max_size=40))
def test_any_command_is_read(payload):
    """JSON, else text, else nothing."""
    assert (decoded(payload) is None) == (payload == b"" or payload.strip() == b"null")
