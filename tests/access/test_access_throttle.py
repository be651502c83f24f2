"""Failed sign-ins are slowed, in bounded memory."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.access.throttle import FREE, LONGEST, Throttle


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_delays_grow_from_nothing_to_a_bound():
    """People mistype; who goes on failing waits longer and longer."""
    throttle = Throttle(clock=Clock())
    delays = [throttle.failed("10.0.0.1", "kitchen") for _ in range(12)]
    assert delays[:FREE] == [0.0] * FREE
    assert delays[FREE : FREE + 4] == [0.5, 1.0, 2.0, 4.0]
    assert delays[-1] == LONGEST
    assert all(before <= after for before, after in pairwise(delays))


def test_one_name_from_many_addresses_is_slowed():
    """A password tried from a botnet."""
    throttle = Throttle(clock=Clock())
    assert [throttle.failed(f"10.0.0.{n}", "ann@x") for n in range(5)][-1] > 0


def test_many_names_from_one_address_are_slowed():
    """A list of names tried from one host, and an IPv6 host has a whole /64."""
    throttle = Throttle(clock=Clock())
    assert [throttle.failed("10.0.0.1", f"name{n}") for n in range(5)][-1] > 0
    assert [throttle.failed(f"2001:db8::{n}", f"other{n}") for n in range(1, 6)][-1] > 0
    assert throttle.failed("2001:db8:0:1::1", "third") == 0
    assert throttle.failed("::ffff:10.0.0.1", "fourth") > 0


def test_short_keys_are_slowed_at_once():
    """One failure counts for four."""
    throttle = Throttle(clock=Clock())
    assert throttle.failed("10.0.0.1", "A" * 20, strict=True) > 0


def test_what_was_counted_fades():
    """After some minutes nothing is held against anybody."""
    clock = Clock()
    throttle = Throttle(clock=clock)
    for _ in range(10):
        throttle.failed("10.0.0.1", "kitchen")
    clock.now += 1200
    assert throttle.failed("10.0.0.1", "kitchen") == 0


def test_the_same_name_waits_and_another_address_does_not():
    """A person whose name is being guessed at signs in as ever."""
    clock = Clock()
    throttle = Throttle(clock=clock)
    for _ in range(FREE):
        throttle.failed("10.0.0.1", "ann@x")
        assert throttle.wait("10.0.0.1", "ann@x") == 0
    throttle.failed("10.0.0.1", "ann@x")
    assert throttle.wait("10.0.0.1", "ann@x") == 0.5
    assert throttle.wait("10.0.0.2", "ann@x") == 0
    clock.now += 0.5
    assert throttle.wait("10.0.0.1", "ann@x") == 0


def test_a_right_password_is_no_failure():
    """Signing in often is not held against an address."""
    throttle = Throttle(clock=Clock())
    for _ in range(50):
        throttle.failed("10.0.0.1", "ann@x")
        throttle.forgive("10.0.0.1", "ann@x")
    assert throttle.wait("10.0.0.1", "ann@x") == 0
    assert throttle.failed("10.0.0.1", "bob@x") == 0


def test_a_name_that_is_tried_from_everywhere_waits_where_it_failed_before():
    """A botnet has one guess for each address, and then all of them share one; the person, who
    comes from an address of their own, signs in as ever.
    """
    throttle = Throttle(clock=Clock())
    for number in range(30):
        throttle.failed(f"10.0.0.{number}", "ann@x")
    assert throttle.wait("10.0.0.1", "ann@x") == LONGEST
    assert throttle.wait("192.0.2.1", "ann@x") == 0
    throttle.failed("10.0.0.1", "bob@x")
    assert throttle.wait("10.0.0.1", "bob@x") == 0


def test_other_names_do_not_flush_who_has_to_wait():
    """Those that failed little are forgotten first."""
    throttle = Throttle(clock=Clock(), most=100)
    for _ in range(6):
        throttle.failed("10.0.0.1", "ann@x")
    before = throttle.wait("10.0.0.1", "ann@x")
    for number in range(500):
        throttle.failed(f"192.0.2.{number % 200}", f"name{number}")
    assert throttle.wait("10.0.0.1", "ann@x") == before > 0
    assert len(throttle) <= 100


def test_a_try_that_was_not_looked_at_is_taken_back():
    """It does not count, and what failed before still does."""
    throttle = Throttle(clock=Clock())
    for _ in range(5):
        throttle.failed("10.0.0.1", "ann@x")
    before = throttle.wait("10.0.0.1", "ann@x")
    throttle.failed("10.0.0.1", "ann@x")
    throttle.take_back("10.0.0.1", "ann@x")
    assert throttle.wait("10.0.0.1", "ann@x") == before > 0


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=60))
def test_memory_is_bounded(attempts):
    """Whoever comes with whatever name."""
    throttle = Throttle(clock=Clock(), most=10)
    for address, name in attempts:
        assert throttle.failed(address, name) >= 0
        assert len(throttle) <= 10
