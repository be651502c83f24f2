"""The bounds of what waits."""

from __future__ import annotations

import operator
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from gateway.broker import port
from gateway.broker.embedded.core.durable import Delivery
from gateway.broker.embedded.core.exchange import Backlog
from gateway.broker.embedded.core.outgoing import Outgoing


def delivery(size: int) -> Delivery:
    """Return a delivery of so many bytes."""
    return Delivery(Outgoing(b"", bytes(size)), 1)


def test_large_ones_push_out_more() -> None:
    """The bytes are bounded too, and the newest stays even if it alone is more."""
    backlog = Backlog(100, 10)
    first = [delivery(4), delivery(4)]
    assert [backlog.add(one) for one in first] == [[], []]
    assert not backlog.full
    large = delivery(11)
    assert backlog.add(large) == first
    assert list(backlog) == [large]
    assert backlog.full


def test_topics_and_properties_count() -> None:
    """A client can make them as large as a payload."""
    backlog = Backlog(100, 100)
    sent = port.Properties(
        content_type="x" * 20, correlation_data=bytes(10), user=(("a", "b" * 49),)
    )
    first = Delivery(Outgoing(b"t" * 10, bytes(10), sent), 1)
    assert backlog.add(first) == []
    assert backlog.full
    assert backlog.add(delivery(1)) == [first]


@given(st.lists(st.tuples(st.sampled_from(["add", "take", "back", "remove"]), st.integers(0, 9))))
def test_the_bytes_are_those_of_what_is_there(steps: list[tuple[str, int]]) -> None:
    """Whatever comes and goes, the bounds hold for what is there, and nothing vanishes uncounted."""
    backlog, added, gone = Backlog(5, 20), 0, 0
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
