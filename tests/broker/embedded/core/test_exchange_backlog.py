"""The bounds of what waits."""

from __future__ import annotations

import operator
import tracemalloc
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from gateway.broker import port
from gateway.broker.embedded.core.account import Account
from gateway.broker.embedded.core.durable import Delivery
from gateway.broker.embedded.core.exchange import Backlog
from gateway.broker.embedded.core.outgoing import Outgoing

BASE = Outgoing(b"", b"").size


def new(most: int, largest: int, each: int = 1 << 30, payer: str = "p") -> Backlog:
    """Return a queue whose payer may spend so much."""
    return Backlog(most, largest, Account(each, each), payer)


def delivery(size: int) -> Delivery:
    """Return a delivery of so many bytes."""
    return Delivery(Outgoing(b"", bytes(size)), 1)


def test_large_ones_push_out_more() -> None:
    """The bytes are bounded too, and the newest stays even if it alone is more."""
    backlog = new(100, 2 * BASE + 10)
    first = [delivery(4), delivery(4)]
    assert [backlog.add(one) for one in first] == [[], []]
    assert not backlog.full
    large = delivery(2 * BASE + 11)
    assert backlog.add(large) == first
    assert list(backlog) == [large]
    assert backlog.full


def test_topics_and_properties_count() -> None:
    """A client can make them as large as a payload."""
    sent = port.Properties(
        content_type="x" * 20, correlation_data=bytes(10), user=(("a", "b" * 49),)
    )
    first = Delivery(Outgoing(b"t" * 10, bytes(10), sent), 1)
    assert first.outgoing.size >= BASE + 100
    backlog = new(100, first.outgoing.size)
    assert backlog.add(first) == []
    assert backlog.full
    assert backlog.add(delivery(1)) == [first]


def test_the_memory_of_what_waits_is_what_is_counted() -> None:
    """However small the messages and however many their properties, the bound is one of memory."""
    for pairs in ((), tuple((str(n), str(n)) for n in range(100))):
        backlog = new(1_000_000, 4 << 20)
        tracemalloc.start()
        for number in range(8_000 if not pairs else 400):
            user = tuple((key + str(number), value + str(number)) for key, value in pairs)
            properties = port.Properties(user=user) if pairs else None
            backlog.add(Delivery(Outgoing(b"t/%d" % number, b"%d" % number, properties), 1))
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert used < 1.5 * backlog._bytes <= 1.5 * (4 << 20)


def test_a_payer_pays_for_all_its_queues() -> None:
    """Many sessions of one user keep no more than the user may; those of another keep theirs."""
    account = Account(4 * BASE, 100 * BASE)
    first, second = (Backlog(100, 100 * BASE, account, "bob") for _ in range(2))
    other = Backlog(100, 100 * BASE, account, "ann")
    for _ in range(4):
        assert first.add(delivery(0)) == []
        assert other.add(delivery(0)) == []
    second.add(delivery(0))
    assert len(second.add(delivery(0))) == 1
    first.clear()
    assert second.add(delivery(0)) == []


@given(st.lists(st.tuples(st.sampled_from(["add", "take", "back", "remove"]), st.integers(0, 9))))
def test_the_bytes_are_those_of_what_is_there(steps: list[tuple[str, int]]) -> None:
    """Whatever comes and goes, the bounds hold for what is there, and nothing vanishes
    uncounted.
    """
    backlog, added, gone = new(5, 5 * BASE + 20), 0, 0
    for step, size in steps:
        if step == "add":
            gone += len(backlog.add(delivery(size)))
            added += 1
        elif step == "back" and not backlog.full:
            backlog.put_back(delivery(size))
            added += 1
        elif step == "take" and len(backlog):
            assert backlog.take() is not None
            gone += 1
        elif step == "remove" and len(backlog):
            last = list(backlog)[-1]
            assert backlog.sift(partial(operator.is_, last)) == [last]
            gone += 1
        assert backlog._bytes == sum(one.outgoing.size for one in backlog)
        assert len(backlog) == added - gone <= 5
    assert (backlog.first is None) == (len(backlog) == 0)
