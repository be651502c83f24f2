"""The evaluation of rules without a gateway: readings and times in, events out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.frames import Series
from gateway.rules.evaluation import Evaluation, Event
from gateway.rules.form import read

KITCHEN = Series(1, "telemetry", "kitchen", "temperature")
HALL = Series(2, "telemetry", "hall", "temperature")


class Followed:
    """Rules, the events they gave, and a time that is a number."""

    def __init__(self, *rules: dict[str, Any]) -> None:
        self.events: list[Event] = []
        plain = {"filter": "+/temperature", "command": {"name": "fan"}}
        self.evaluation = Evaluation([read(plain | rule) for rule in rules], self.events.append)
        self.now = 0

    def read(self, value: str, series: Series = KITCHEN) -> None:
        """Let a reading come now."""
        self.evaluation.see([None, (series, self.now, value, "")], self.now)

    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.now += ms
        self.evaluation.pass_time(self.now)

    @property
    def told(self) -> list[tuple[int, str, bool, str]]:
        """When, which, and on what."""
        return [(e.ts, e.rule, e.active, e.series.device) for e in self.events]


def test_a_bound() -> None:
    """It fires beyond the bound and clears back at `clear`."""
    followed = Followed({"name": "hot", "above": 30, "clear": 28})
    for value in ("30", "31", "29", "28", "31"):
        followed.read(value)
    assert [(e.active, e.value) for e in followed.events] == [
        (True, "31"),
        (False, "28"),
        (True, "31"),
    ]


def test_a_bound_that_must_hold() -> None:
    """It fires at the sweep after `for`, unless a value came back before."""
    followed = Followed({"name": "hot", "above": 30, "for": 10})
    followed.read("31")
    followed.wait(9_999)
    followed.read("20")
    followed.wait(1)
    followed.read("31")
    followed.wait(10_000)
    assert followed.told == [(20_000, "hot", True, "kitchen")]


def test_silence_of_each_series() -> None:
    """It fires where nothing came for the time, and clears with the next reading."""
    followed = Followed({"name": "lost", "silent": 60})
    followed.evaluation.watch(HALL, 0)
    followed.read("1")
    followed.wait(30_000)
    followed.read("2")
    followed.wait(30_000)
    followed.wait(30_000)
    followed.read("3", HALL)
    assert followed.told == [
        (60_000, "lost", True, "hall"),
        (90_000, "lost", True, "kitchen"),
        (90_000, "lost", False, "hall"),
    ]


def test_two_rules_on_one_series() -> None:
    """Each has its own state."""
    followed = Followed({"name": "warm", "above": 20}, {"name": "hot", "above": 30})
    followed.read("25")
    followed.read("35")
    assert [event.rule for event in followed.events] == ["warm", "hot"]


def test_a_forgotten_device() -> None:
    """Its silence fires nothing; what comes of it later is watched afresh."""
    followed = Followed({"name": "lost", "silent": 60})
    followed.read("1")
    followed.evaluation.forget("kitchen")
    followed.wait(60_000)
    assert followed.events == []


@pytest.mark.parametrize(("value", "posted"), [('{"a":1}', {"a": 1}), (None, None)])
def test_what_a_webhook_posts(value: str | None, posted: object) -> None:
    """The rule, the series, the time and the reading, or null without one."""
    event = Event("hot", True, KITCHEN, value, 5)
    assert msgspec.json.decode(event.json()) == {
        "rule": "hot",
        "active": True,
        "device": "kitchen",
        "channel": "temperature",
        "ts": 5,
        "value": posted,
    }
