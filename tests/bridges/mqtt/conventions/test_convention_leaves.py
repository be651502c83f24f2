"""Nested JSON as channels, and ids of children."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridges.mqtt.conventions import leaves as module
from gateway.bridges.mqtt.conventions.leaves import child_id, fitting, json_object, leaves
from gateway.errors import Untranslatable
from gateway.topics import check_channel, check_device

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


def test_paths_are_channels() -> None:
    """Members and indexes make the path; null and what is not wanted are passed over."""
    value = {"ENERGY": {"Power": 12, "Time": "x"}, "list": [1, {"a": None, "b": True}]}
    assert dict(leaves(value, "s", without=["Time"])) == {
        "s/ENERGY/Power": 12,
        "s/list/0": 1,
        "s/list/1/b": True,
    }


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=5))
def test_any_object_has_fitting_channels(value: dict[str, Any]) -> None:
    """Each path is a channel, whatever the names, and no leaf is an object, a list or null."""
    for path, leaf in leaves(value):
        assert check_channel(path)
        assert type(leaf) in {bool, int, str}


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many values and too many levels are refused, and the bounds themselves are not."""
    monkeypatch.setattr(module, "MAX_LEAVES", 3)
    assert len(list(leaves([1, 2, 3]))) == 3
    with pytest.raises(Untranslatable, match="more than 3 values"):
        list(leaves([1, 2, 3, 4]))
    deep: Any = 1
    for _ in range(module.MAX_LEVELS):
        deep = [deep]
    assert len(list(leaves(deep))) == 1
    with pytest.raises(Untranslatable, match="levels deep"):
        list(leaves([deep]))


@given(st.binary(max_size=30))
def test_any_payload_is_an_object_or_refused(payload: bytes) -> None:
    """What comes out is what JSON says; anything else is `Untranslatable`."""
    try:
        found = json_object(payload)
    except Untranslatable:
        return
    assert found == json.loads(payload)


@given(st.text(max_size=300))
def test_any_name_becomes_one_that_fits(name: str) -> None:
    """For channels and for device ids."""
    assert check_channel(fitting(name))
    check_device(child_id("a", name))


def test_ids_of_children() -> None:
    """Parts that are not there are left out."""
    assert child_id("Nexus-TH", None, 2, "", 42) == "Nexus-TH-2-42"
    assert child_id("a b/c") == "a_b_c"
