"""The rate of an identity, with time passed in, and what it does to a connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from gateway.broker.embedded.codec.packets import Pingreq, Pingresp, Publish
from gateway.broker.embedded.core.limits import Limits
from gateway.rates import Rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.broker import port
    from gateway.store.facts import Fact

    from .conftest import Bench


@pytest.fixture
def limits() -> Limits:
    """A rate."""
    return Limits(messages_per_second=100)


def test_a_second_at_once_then_the_rate() -> None:
    """A burst of one second is free; what is above it is waited for."""
    now = 100.0
    rates = Rates(10, lambda: now)
    assert rates.allowance("a") == 10
    assert rates.spend("a", 10) == 0
    assert rates.allowance("a") == 1
    assert rates.spend("a", 5) == pytest.approx(0.5)
    assert rates.spend("b", 1) == 0
    now += 10
    assert rates.spend("a", 10) == 0


def test_the_quiet_are_forgotten() -> None:
    """An identity that has made up for what it sent costs no memory."""
    now = 0.0
    rates = Rates(10, lambda: now)
    rates.spend("a", 10)
    now = 0.5
    rates.sweep()
    assert len(rates) == 1
    now = 2.0
    rates.sweep()
    assert len(rates) == 0


async def test_a_fast_client_is_read_slower(bench: Bench) -> None:
    """Above the rate the socket is not read for a while; nothing is lost and nobody is
    disconnected.
    """
    client = await bench.connect("c")
    start = time.monotonic()
    client.write(*(Publish("t", b"") for _ in range(130)))
    await client.ask(Pingreq())
    assert isinstance(await client.ask(Pingreq()), Pingresp)
    assert time.monotonic() - start >= 0.25
    assert len(bench.gate.messages) == 130


async def test_one_write_is_no_way_around(bench: Bench) -> None:
    """What one read brings beyond a second's worth waits too."""
    client = await bench.connect("c")
    sizes: list[int] = []
    plain = bench.gate.receive

    def receive(
        messages: Sequence[port.Message], done: port.Done, journal: Sequence[Fact] = ()
    ) -> None:
        sizes.append(len(messages))
        plain(messages, done, journal)

    bench.gate.receive = receive  # type: ignore[method-assign]
    client.write(*(Publish("t", b"") for _ in range(120)))
    await bench.until(lambda: sum(sizes) == 120)
    assert sizes[0] <= 100
    assert len(sizes) > 2
