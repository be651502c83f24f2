"""Who has not signed in yet."""

from __future__ import annotations

import pytest

from gateway.broker.embedded.strangers import Strangers, network


def test_the_oldest_of_the_most_crowded_address_goes() -> None:
    """Whoever fills the places from one address pushes out itself, and nobody else."""
    strangers: Strangers[str] = Strangers()
    strangers.add("early", "10.0.0.2")
    for number in range(3):
        strangers.add(f"flood {number}", "10.0.0.1")
    assert strangers.makes_room() == "flood 0"
    strangers.discard("flood 0", "10.0.0.1")
    strangers.discard("flood 0", "10.0.0.1")
    assert strangers.makes_room() == "flood 1"
    assert len(strangers) == len(list(strangers)) == 3


def test_what_all_make_us_keep_is_bounded() -> None:
    """Beyond the bound on all, short packets are still waited for, and long ones are not."""
    strangers: Strangers[str] = Strangers()
    for name in ("long", "short"):
        strangers.add(name, "10.0.0.1")
    assert strangers.keep("long", "10.0.0.1", 70_000, 70_000)
    assert strangers.keep("short", "10.0.0.1", 8_000, 70_000)
    assert not strangers.keep("short", "10.0.0.1", 1_000, 70_000)
    strangers.discard("long", "10.0.0.1")
    assert strangers.keep("short", "10.0.0.1", 1_000, 70_000)
    assert strangers.keep("gone", "10.0.0.9", 1 << 30, 70_000)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("", ""),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2"),
        ("2001:db8:1:2::9", "2001:db8:1:2"),
        ("2001:db8::9", "2001:db8:0:0"),
        ("::1", "0:0:0:0"),
    ],
)
def test_networks(address: str, found: str) -> None:
    """An IPv6 address is one of many that its owner has."""
    assert network(address) == found
