"""The check of a rule: one condition, at least one action, bounds that can be met, names that
fit.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.check import faults
from gateway.rules.evaluation import compiled
from gateway.rules.form import read

BASE: dict[str, Any] = {"name": "hot", "filter": "+/temperature", "command": {"name": "fan"}}
CONDITIONS = "expected one of above, below and silent, got"


def problems(**keys: Any) -> list[tuple[str, str]]:
    """Return what is wrong with a rule that is complete but for its condition."""
    return [(".".join(fault.path), fault.problem) for fault in faults(read(BASE | keys))]


@pytest.mark.parametrize(
    "keys",
    [
        {"above": 30, "clear": 28.5, "for": 10},
        {"above": 30, "clear": 30},
        {"below": 5, "clear": 5},
        {"silent": 300},
        {"above": 1, "command": None, "webhook": {"url": "https://a", "secret": "whsec_AAAA"}},
        {"above": 1, "command": None, "publish": {"channel": "a/b", "device": "hall"}},
    ],
)
def test_right_rules(keys: dict[str, Any]) -> None:
    """Each condition with each action."""
    assert problems(**keys) == []


@pytest.mark.parametrize(
    ("keys", "key", "problem"),
    [
        ({}, "", f"{CONDITIONS} none"),
        ({"above": 1, "below": 2}, "", f"{CONDITIONS} above and below"),
        ({"above": 1, "silent": 2}, "", f"{CONDITIONS} above and silent"),
        ({"silent": 5, "clear": 1}, "clear", "goes with above or below, not with silent"),
        ({"silent": 5, "for": 1}, "for", "goes with above or below, not with silent"),
        ({"above": 30, "clear": 31}, "clear", "expected 30 (above) or less, got 31"),
        ({"below": 5, "clear": 4.5}, "clear", "expected 5 (below) or more, got 4.5"),
        (
            {"above": 1, "command": None},
            "",
            "expected something to do: command, publish or webhook",
        ),
        ({"above": 1, "filter": "a/#/b"}, "filter", "'a/#/b' is no filter"),
        ({"above": 1, "command": {"name": "a/+"}}, "command.name", "'a/+' is not a channel"),
        (
            {"above": 1, "command": {"name": "a", "device": "a b"}},
            "command.device",
            "'a b' is not a device id",
        ),
        (
            {"above": 1, "command": {"name": "a", "value": object()}},
            "command.value",
            "object",
        ),
        ({"above": 1, "publish": {"channel": ""}}, "publish.channel", "is not a channel"),
        (
            {"above": 1, "webhook": {"url": "https://a", "secret": "whsec_!"}},
            "webhook.secret",
            "what follows whsec_ is not base64",
        ),
    ],
)
def test_mistakes(keys: dict[str, Any], key: str, problem: str) -> None:
    """Each is one line, with the key it is about."""
    ((named, said),) = problems(**keys)
    assert named == key
    assert problem in said


def test_everything_that_is_wrong() -> None:
    """All faults are found at once, not only the first."""
    found = problems(filter="##", command={"name": "#", "device": " "})
    assert [key for key, _ in found] == ["", "filter", "command.name", "command.device"]


@given(
    st.fixed_dictionaries(
        {"name": st.text(), "filter": st.text("a/+#"), "command": st.just({"name": "a"})},
        optional=dict.fromkeys(("above", "below", "clear", "silent"), st.floats(-1e9, 1e9)),
    )
)
def test_what_has_no_faults_can_be_evaluated(data: dict[str, Any]) -> None:
    """Any rule is told its faults, or compiles."""
    rule = read(data)
    if not list(faults(rule)):
        assert compiled(rule).name == rule.name
