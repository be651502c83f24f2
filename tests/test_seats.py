"""Seats: all entrances count together."""

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
