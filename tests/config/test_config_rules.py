"""The tables of rules: their keys and types; what goes together is the rules' own check."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config import ConfigError
from gateway.config.load import build
from gateway.config.rules import Rule

BASE: dict[str, Any] = {
    "name": "too warm",
    "filter": "kitchen/temperature",
    "command": {"name": "fan"},
}


def rule(**keys: Any) -> Rule:
    """Load one rule, complete but for its condition."""
    (loaded,) = build({"rules": [BASE | keys]}, {}, Path("gateway.toml")).rules
    return loaded


def problem(**keys: Any) -> str:
    """Give the only thing wrong with such a rule."""
    with pytest.raises(ConfigError) as caught:
        rule(**keys)
    (line,) = caught.value.problems
    return line.removeprefix("gateway.toml: [[rules]] #1")


def test_bound() -> None:
    """A bound may have hysteresis, a minimum time and every action."""
    loaded = rule(
        **{"above": 30, "clear": 28.5, "for": "10s"},
        command={"device": "hall", "name": "fan", "value": {"speed": [1, 2]}},
        publish={"channel": "alert", "value": "warm"},
        webhook={"url": "https://example.org/a?b", "secret": "sixteen letters!"},
    )
    assert (loaded.above, loaded.below, loaded.clear, loaded.hold) == (30, None, 28.5, 10)
    assert loaded.command is not None
    assert (loaded.command.device, loaded.command.value) == ("hall", {"speed": [1, 2]})
    assert loaded.publish is not None
    assert (loaded.publish.device, loaded.publish.value) == (None, "warm")
    assert loaded.webhook is not None
    assert loaded.webhook.url == "https://example.org/a?b"


def test_silence() -> None:
    """A rule may wait for silence instead."""
    assert rule(silent="5m").silent == 300


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"above": float("nan")}, " above: expected a number, got nan"),
        ({"above": float("inf")}, " above: expected a number, got inf"),
        ({"above": 1, "command": {}}, " command.name: missing; expected text, not empty"),
        ({"above": 1, "name": "a\nb"}, ' name: expected a name on one line, got "a\\nb"'),
        (
            {"above": 1, "webhook": {"url": "example.org"}},
            ' webhook.url: expected a URL such as "https://example.org/alert", got "example.org"',
        ),
        (
            {"above": 1, "webhook": {"url": "http://h", "secret": "hunter2"}},
            " webhook.secret: expected a text of at least 16 characters, got something else",
        ),
    ],
)
def test_mistakes(keys: dict[str, Any], line: str) -> None:
    """A value of a wrong type is one clear line."""
    assert problem(**keys) == line


def test_names_are_unique() -> None:
    """Two rules of one name could not be told apart in a log."""
    with pytest.raises(ConfigError) as caught:
        build({"rules": [BASE | {"above": 1}, BASE | {"above": 2}]}, {}, Path("gateway.toml"))
    assert [line.partition("#")[2] for line in caught.value.problems] == [
        '1 name: "too warm" names 2 rules; each needs its own',
        '2 name: "too warm" names 2 rules; each needs its own',
    ]
