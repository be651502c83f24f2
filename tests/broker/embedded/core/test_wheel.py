"""Deadlines, with time passed in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.embedded.core.wheel import TICKS, Wheel, ticks


class Alarm:
    """Notes when it is looked at, and answers what it is told to."""

    def __init__(self, *answers: int | None) -> None:
        self.tick = -1
        self.looks: list[int] = []
        self._answers = list(answers)

    def due(self, now: int) -> int | None:
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
        def due(self, now: int) -> int | None:
            other.unwatch_all()
            return super().due(now)

    class Other:
        def unwatch_all(self) -> None:
            wheel.unwatch(second)
            wheel.unwatch(first)

    other, first = Other(), First()
    wheel.watch(first, 1)
    wheel.watch(second, 2)
    wheel.turn(3)
    assert (first.looks, second.looks) == ([3], [])


@given(
    seconds=st.floats(0, 100),
    phase=st.floats(0, 1, exclude_max=True),
    since=st.floats(0, 1, exclude_max=True),
)
def test_no_wait_is_cut_short(seconds: float, phase: float, since: float) -> None:
    """Whenever between two sweeps it begins, a wait is no shorter than asked, and less than a
    second longer.
    """
    wheel, alarm = Wheel(int(phase)), Alarm()
    wheel.watch(alarm, wheel.now + ticks(seconds))
    clock = phase
    while not alarm.looks:
        clock += 1
        wheel.turn(int(clock))
    waited = (clock - phase - since) / TICKS
    assert seconds - 1e-9 <= waited < seconds + 1
