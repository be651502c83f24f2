"""Pauses between attempts double up to a bound, each shortened by chance."""

from itertools import islice

from gateway.backoff import delays


def test_pauses_double_up_to_the_most() -> None:
    """The third is the most, and stays it; none is shorter than half."""
    most = [1.0, 2.0, 3.0, 3.0, 3.0]
    found = list(islice(delays(1.0, 3.0), 5))
    assert all(step / 2 <= delay <= step for delay, step in zip(found, most, strict=True))


def test_a_fleet_does_not_come_back_at_the_same_moment() -> None:
    """Two devices wait for different times."""
    assert list(islice(delays(1.0, 60.0), 8)) != list(islice(delays(1.0, 60.0), 8))
