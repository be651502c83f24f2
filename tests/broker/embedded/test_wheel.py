"""Deadlines, with time passed in."""

from __future__ import annotations

import pytest

from gateway.broker.embedded.wheel import Wheel


class Alarm:
    """Notes when it is looked at, and answers what it is told to."""

    def __init__(self, *answers: int | None) -> None:
        self.due = -1
        self.looks: list[int] = []
        self._answers = list(answers)

    def look(self, now: int) -> int | None:
        self.looks.append(now)
        return self._answers.pop(0) if self._answers else None


def test_looks_once_it_is_due() -> None:
    """Nothing is looked at before its tick, and nothing twice."""
    wheel, alarm = Wheel(0), Alarm()
    wheel.watch(alarm, 5)
    wheel.turn(4)
    assert alarm.looks == []
    wheel.turn(7)
    wheel.turn(20)
    assert alarm.looks == [7]
    assert len(wheel) == 0


def test_looks_again_when_asked() -> None:
    """What answers with a tick is looked at then."""
    wheel, alarm = Wheel(0), Alarm(9, None)
    wheel.watch(alarm, 5)
    for now in range(12):
        wheel.turn(now)
    assert alarm.looks == [5, 9]


def test_a_past_tick_is_the_next() -> None:
    """What is due already is looked at in the next turn, not never."""
    wheel, alarm = Wheel(100), Alarm()
    wheel.watch(alarm, 3)
    wheel.turn(101)
    assert alarm.looks == [101]


@pytest.mark.parametrize(("seconds", "ticks"), [(3, 13), (0.3, 3), (0, 1), (-5, -19)])
def test_no_deadline_is_early(seconds: float, ticks: int) -> None:
    """A tick that has begun does not count: at 3 s, twelve whole ticks lie between."""
    assert Wheel(100).after(seconds) == 100 + ticks


def test_unwatched_leaves_nothing_behind() -> None:
    """A connection that ends long before its deadline is not kept until then."""
    wheel, alarm = Wheel(0), Alarm()
    wheel.watch(alarm, 100_000)
    wheel.unwatch(alarm)
    wheel.unwatch(alarm)
    assert len(wheel) == 0
    assert not wheel._ticks
    wheel.turn(100_001)
    assert alarm.looks == []


def test_watching_again_moves_it() -> None:
    """Something is on the wheel once."""
    wheel, alarm = Wheel(0), Alarm()
    wheel.watch(alarm, 5)
    wheel.watch(alarm, 8)
    wheel.turn(6)
    assert alarm.looks == []
    wheel.turn(8)
    assert alarm.looks == [8]


def test_one_may_end_another() -> None:
    """What is looked at may take its neighbour off the wheel."""
    wheel, second = Wheel(0), Alarm()

    class First(Alarm):
        def look(self, now: int) -> int | None:
            other.unwatch_all()
            return super().look(now)

    class Other:
        def unwatch_all(self) -> None:
            wheel.unwatch(second)
            wheel.unwatch(first)

    other, first = Other(), First()
    wheel.watch(first, 1)
    wheel.watch(second, 2)
    wheel.turn(3)
    assert (first.looks, second.looks) == ([3], [])
