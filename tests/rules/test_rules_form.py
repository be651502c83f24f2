"""The form of a rule: what plain data becomes one."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Invalid
from gateway.rules.form import Rule, Webhook, read

RULE = {"name": "hot", "filter": "+/temperature", "above": 30, "for": 60, "command": {"name": "a"}}


def test_there_and_back() -> None:
    """A rule is read from plain data and written as the same data."""
    rule = read(RULE)
    assert (rule.above, rule.hold, rule.command and rule.command.value) == (30, 60, None)
    assert read(msgspec.to_builtins(rule)) == rule
    assert msgspec.json.decode(msgspec.json.encode(rule), type=Rule) == rule


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"abov": 1}, "abov"),
        ({"above": "30"}, r"\$\.above"),
        ({"command": {}}, "name"),
        ({"webhook": {"url": 1}}, r"\$\.webhook\.url"),
    ],
)
def test_mistakes_of_form(change: dict[str, object], message: str) -> None:
    """An unknown key, a wrong type and a missing key are named."""
    with pytest.raises(Invalid, match=message):
        read(RULE | change)


def test_a_secret_is_not_shown() -> None:
    """What is logged of a webhook does not give its key away."""
    shown = repr(read(RULE | {"webhook": {"url": "https://example.org", "secret": "hunter2"}}))
    assert "hunter2" not in shown
    assert repr(Webhook(url="a")) == "Webhook(url='a', secret=None)"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON | st.fixed_dictionaries({"name": JSON, "filter": JSON, "above": JSON, "command": JSON}))
def test_any_data_is_a_rule_or_invalid(data: object) -> None:
    """Nothing else comes out, whatever comes from outside."""
    try:
        rule = read(data)
    except Invalid:
        return
    assert isinstance(data, dict)
    assert rule.name == data["name"]
