"""Places: how many connections one principal, one user and all may have."""

import pytest

from gateway.access.principal import Principal
from gateway.bridges.http.places import OF_DEVICE, OF_PERSON, Places
from gateway.errors import TooMany, Unavailable
from gateway.seats import Seats


def token(number, owner=1, *, admin=False):
    """A token of a user."""
    return Principal(
        key=f"token:{number}", name=f"token {number}", scope="read", owner=owner, admin=admin
    )


def device(name, owner=1):
    """A device of a user."""
    return Principal(key=f"device:{name}", name=name, scope="write", owner=owner, device=name)


def fill(places, principal):
    """Take places until there is none for this principal; return how many and why no more."""
    for count in range(100_000):
        try:
            places.take(principal)
        except (TooMany, Unavailable) as error:
            return count, type(error)
    raise AssertionError("no bound")


@pytest.mark.parametrize(("who", "most"), [(token(1), OF_PERSON), (device("a"), OF_DEVICE)])
def test_one_principal_has_so_many(who, most):
    """Then others still get in, and a place that is given back can be taken again."""
    places = Places(Seats(20_000), 10_000)
    assert fill(places, who) == (most, TooMany)
    places.take(token(2))
    places.leave(who)
    assert fill(places, who) == (1, TooMany)
    assert len(places) == most + 1


def test_one_user_has_half_of_all():
    """With all tokens and devices."""
    places = Places(Seats(300), 300)
    taken = [fill(places, token(number)) for number in (1, 2)]
    assert taken == [(150, TooMany), (0, TooMany)]
    assert fill(places, device("a")) == (0, TooMany)
    assert fill(places, token(3, owner=2)) == (150, TooMany)


def test_devices_without_an_owner_are_no_user_s():
    """They have the bound of a device."""
    places = Places(Seats(20_000), 10_000)
    assert fill(places, device("a", None)) == (OF_DEVICE, TooMany)
    assert fill(places, device("b", None)) == (OF_DEVICE, TooMany)


def test_when_all_places_are_taken_admins_get_in():
    """One in a hundred is for them alone."""
    seats = Seats(1_000, reserve=10)
    for _ in range(1_000):
        seats.take()
    places = Places(seats, 1_000)
    assert fill(places, token(1)) == (0, Unavailable)
    assert fill(places, token(2, owner=2, admin=True)) == (10, Unavailable)
