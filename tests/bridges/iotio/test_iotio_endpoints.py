"""Endpoints: declarations as their client makes them, and every constraint."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iotio_client import EndpointConstraint, EndpointInfo, EndpointType

from gateway.bridges.iotio.endpoints import Misdeclared, Refused, declared


def endpoint(type_, **constraints):
    """Return an endpoint that their client declares."""
    given = EndpointConstraint(**constraints) if constraints else None
    return declared([EndpointInfo("Name", type_, "special", given).get_info("e")])["e"]


LIMITED = {"min_v": 10, "max_v": 20, "increment": 5}
ENUM = {"values": {"low": "l", "high": 2}}


@pytest.mark.parametrize(
    ("type_", "constraints", "data", "sent"),
    [
        (EndpointType.BOOLEAN, {}, True, True),
        (EndpointType.BOOLEAN, {}, "False", False),
        (EndpointType.INTEGER, {}, -7, -7),
        (EndpointType.INTEGER, {}, "42", 42),
        (EndpointType.INTEGER, LIMITED, 15, 15),
        (EndpointType.STRING, {}, "anything", "anything"),
        (EndpointType.STRING, {}, 12345, "12345"),
        (EndpointType.STRING, {"length": 3}, 1.5, "1.5"),
        (EndpointType.STRING, {"length": 3, "allow_list": "abc"}, "cab", "cab"),
        (EndpointType.STRING, {"allow_list": ["on", "off"]}, "off", "off"),
        (EndpointType.STRING, {"deny_list": "xyz"}, "abc", "abc"),
        (EndpointType.STRING, {"deny_list": ["root"]}, "root2", "root2"),
        (EndpointType.ENUM, ENUM, "l", "l"),
        (EndpointType.ENUM, ENUM, "2", 2),
    ],
)
def test_what_an_endpoint_takes(type_, constraints, data, sent):
    """A value within the constraints is sent, text that says it too."""
    found = endpoint(type_, **constraints).accept(data)
    assert (found, type(found)) == (sent, type(sent))


@pytest.mark.parametrize(
    ("type_", "constraints", "data", "word"),
    [
        (EndpointType.BOOLEAN, {}, "maybe", "invalid_data_type"),
        (EndpointType.BOOLEAN, {}, [], "invalid_data_type"),
        (EndpointType.INTEGER, {}, 1.5, "invalid_data_type"),
        (EndpointType.INTEGER, {}, True, "invalid_data_type"),
        (EndpointType.INTEGER, {}, "ten", "invalid_data_type"),
        (EndpointType.INTEGER, LIMITED, 5, "lower_than_min"),
        (EndpointType.INTEGER, LIMITED, 25, "higher_than_max"),
        (EndpointType.INTEGER, LIMITED, 12, "invalid_increment"),
        (EndpointType.STRING, {}, True, "invalid_data_type"),
        (EndpointType.STRING, {}, [1], "invalid_data_type"),
        (EndpointType.STRING, {"length": 3}, "ab", "invalid_length"),
        (EndpointType.STRING, {"allow_list": "abc"}, "abd", "violates_allow_list"),
        (EndpointType.STRING, {"allow_list": ["on"]}, "o", "violates_allow_list"),
        (EndpointType.STRING, {"deny_list": "xyz"}, "ay", "violates_deny_list"),
        (EndpointType.STRING, {"deny_list": ["root"]}, "root", "violates_deny_list"),
        (EndpointType.ENUM, ENUM, "high", "invalid_enum_value"),
        (EndpointType.ENUM, ENUM, 3, "invalid_enum_value"),
        (EndpointType.ENUM, ENUM, None, "invalid_data_type"),
    ],
)
def test_what_an_endpoint_refuses(type_, constraints, data, word):
    """A value outside is refused with the protocol's word."""
    with pytest.raises(Refused) as refused:
        endpoint(type_, **constraints).accept(data)
    assert refused.value.word == word


GOOD = {"id": "e", "name": "E", "type": "integer", "specialId": None, "constraints": None}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": 1}, "id_must_be_string"),
        ({"name": None}, "name_must_be_string"),
        ({"type": "float"}, "invalid_type_specified"),
        ({"specialId": 5}, "special_id_must_be_string"),
        ({"constraints": []}, "constraints_must_be_object"),
        ({"constraints": {"min": 1.5}}, "constraint_min_must_be_integer"),
        ({"type": "string", "constraints": {"length": True}}, "constraint_length_must_be_integer"),
        (
            {"type": "string", "constraints": {"allowList": 5}},
            "constraint_list_must_be_string_or_list",
        ),
        (
            {"type": "string", "constraints": {"denyList": [5]}},
            "constraint_list_must_only_contain_strings",
        ),
        (
            {"type": "string", "constraints": {"allowList": "a", "denyList": "b"}},
            "constraint_both_allow_list_and_deny_list_specified",
        ),
        ({"type": "enum"}, "enum_type_requires_values_constraint"),
        ({"type": "enum", "constraints": {"values": []}}, "constraint_values_must_be_dict"),
        (
            {"type": "enum", "constraints": {"values": {"a": []}}},
            "constraint_values_values_must_be_int_or_string",
        ),
    ],
)
def test_a_wrong_declaration_is_named(change, problem):
    """A declaration that is wrong is refused with the endpoint and the problem."""
    with pytest.raises(Misdeclared) as refused:
        declared([{**GOOD, **change}])
    assert refused.value.problem == problem
    assert refused.value.endpoint == (None if "id" in change else "e")


@pytest.mark.parametrize("missing", ["id", "name", "type"])
def test_a_missing_member_is_named(missing):
    """Id, name and type have to be there."""
    with pytest.raises(Misdeclared, match=f"no_{missing}_specified"):
        declared([{key: value for key, value in GOOD.items() if key != missing}])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
DECLARED = st.fixed_dictionaries(
    {"id": JSON, "name": JSON},
    optional={
        "type": st.sampled_from(["boolean", "integer", "string", "enum"]) | JSON,
        "specialId": JSON,
        "constraints": JSON
        | st.dictionaries(
            st.sampled_from(
                ["min", "max", "increment", "length", "allowList", "denyList", "values"]
            ),
            JSON,
        ),
    },
)


@given(st.lists(DECLARED, max_size=2) | JSON, JSON)
def test_any_declaration_is_read_or_refused(listed, data):
    """Nothing that a client declares, and nothing that it is then sent, does anything but pass or
    be refused.
    """
    try:
        found = declared(listed)
    except Misdeclared:
        return
    for each in found.values():
        with contextlib.suppress(Refused):
            each.accept(data)


@pytest.mark.parametrize("least", [{"min": 0}, {}])
@pytest.mark.parametrize("value", [0, 5, 50, 55, 100])
def test_an_increment_that_is_the_maximum_is_none(least, value):
    """iot.io-client before 0.4.12 sends `max` as the increment, and some leave out a min of 0."""
    constraints = {**least, "max": 100, "increment": 100}
    slider = {"id": "e", "name": "Slider", "type": "integer", "constraints": constraints}
    assert declared([slider])["e"].accept(value) == value


def test_what_a_stranger_declares_is_quoted():
    """An id that a stranger sends has neither line breaks nor escapes in the message, which is
    logged.
    """
    with pytest.raises(Misdeclared) as raised:
        declared([{"id": "x\nFORGED \x1b[31m" + "y" * 500, "name": "n", "type": "?"}])
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 150
