"""Memory by who it is spent for."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.embedded.core.account import Account, payer_of


@dataclass
class Someone:
    """An identity."""

    key: str
    owner: int | None


def test_each_has_a_bound_and_all_have_one() -> None:
    """A payer at its bound leaves room for others, until all is spent."""
    account = Account(10, 25)
    account.spend("a", 10)
    assert not account.fits("a", 1)
    assert account.fits("b", 10)
    account.spend("b", 10)
    assert not account.fits("c", 6)
    assert account.fits("c", 5)
    account.spend("a", -10)
    assert account.fits("c", 10)


def test_a_user_pays_for_what_acts_for_it() -> None:
    """Its tokens and devices together are one payer; who belongs to nobody pays alone."""
    assert payer_of(Someone("token:1", 7)) == payer_of(Someone("device:x", 7)) == 7
    assert payer_of(Someone("device:y", None)) == "device:y"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 9))))
def test_what_is_given_back_is_forgotten(spent: list[tuple[str, int]]) -> None:
    """When all is given back, nothing is kept of anybody."""
    account = Account(1_000, 1_000)
    for payer, count in spent:
        account.spend(payer, count)
    assert account.total == sum(count for _, count in spent)
    for payer, count in spent:
        account.spend(payer, -count)
    assert account.total == 0
    assert not account._spent
