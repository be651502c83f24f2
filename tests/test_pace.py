"""How often a device may post."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import TooMany
from gateway.pace import Pace
from gateway.rates import Rates


def count(pace, device="kitchen", most=1000):
    """Return how many messages are let through at once."""
    for number in range(most):
        try:
            pace.admit(device)
        except TooMany:
            return number
    return most


@given(st.integers(1, 200), st.lists(st.floats(0, 3), max_size=20))
def test_never_more_than_a_second_s_worth_and_the_rate(rate, pauses):
    """Over any time: at most one second's worth more than the rate gives."""
    now, let_through = [0.0], 0
    pace = Pace(Rates(rate, lambda: now[0]))
    for pause in pauses:
        let_through += count(pace)
        now[0] += pause
    assert let_through <= rate * (1 + sum(pauses)) + 1e-6
    now[0] += 1
    assert count(pace) == rate


def test_a_slow_rate_lets_one_through_at_a_time():
    """Less than one a second; the refusal says how long to wait, and does not lengthen it."""
    now = [0.0]
    pace = Pace(Rates(0.5, lambda: now[0]))
    pace.admit("kitchen")
    for _ in range(3):
        with pytest.raises(TooMany) as raised:
            pace.admit("kitchen")
        assert raised.value.retry_after == pytest.approx(2)
    now[0] = 2.0
    pace.admit("kitchen")


def test_no_limit_and_bounded_memory():
    """0 lets everything through; devices that have rested are forgotten."""
    assert count(Pace(Rates(0, time.monotonic))) == 1000
    now = [0.0]
    rates = Rates(5, lambda: now[0])
    pace = Pace(rates)
    for number in range(25_000):
        now[0] += 0.01
        pace.admit(f"device-{number}")
    assert len(rates) <= 10_000


async def test_turns_come_one_after_the_other(monkeypatch):
    """Who waits for a turn gets it when there is one, and is counted then."""
    now = [0.0]
    pace = Pace(Rates(2, lambda: now[0]))

    async def sleep(seconds):
        now[0] += seconds

    monkeypatch.setattr(asyncio, "sleep", sleep)
    for _ in range(6):
        await pace.turn("kitchen")
    assert now[0] == pytest.approx(2)
    with pytest.raises(TooMany):
        pace.admit("kitchen")


def test_one_rate_over_all_entrances():
    """What a device sends over MQTT counts for what it posts, and the other way round."""
    rates = Rates(4, lambda: 0.0)
    pace = Pace(rates)
    rates.spend("device:kitchen", 2)
    assert count(pace) == 2
    assert rates.allowance("device:kitchen") == 1
    assert count(pace, "hall") == 4
