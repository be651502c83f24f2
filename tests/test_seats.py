"""Seats: all entrances count together."""

from contextlib import suppress

from gateway.seats import Seats


def test_the_reserve_is_beyond_the_limit() -> None:
    """Devices find no seat where HTTP still does; who leaves makes room again."""
    seats = Seats(2, reserve=1)
    seen = []
    for _ in range(4):
        seen.append((seats.full(), seats.full(reserved=True)))
        seats.take()
    assert seen == [(False, False), (False, False), (True, False), (True, True)]
    for _ in range(3):
        seats.leave()
    assert (seats.taken, seats.full()) == (1, False)


def test_a_seat_is_lent_and_comes_back() -> None:
    """One connection that two entrances serve counts once, whatever ends it."""
    seats = Seats(1)
    seats.take()
    with suppress(ConnectionError), seats.lent():
        assert not seats.full()
        raise ConnectionError
    assert seats.taken == 1
