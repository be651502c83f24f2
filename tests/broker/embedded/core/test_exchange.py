"""The QoS 1 and 2 machine, without I/O."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.embedded.core.account import Account
from gateway.broker.embedded.core.durable import PACKET_IDS, Delivery, Step
from gateway.broker.embedded.core.exchange import Backlog, Exchange
from gateway.broker.embedded.core.outgoing import Outgoing
from gateway.errors import ProtocolError


def delivery(name: str = "", qos: int = 1, **fields: object) -> Delivery:
    """Return a delivery whose payload is its name."""
    return Delivery(Outgoing(b"t", name.encode()), qos, **fields)  # type: ignore[arg-type]


def exchange_of(bound: int, window: int) -> Exchange:
    """Return an exchange whose queue is bounded in number."""
    return Exchange(Backlog(bound, 1 << 20, Account(1 << 30, 1 << 30), "p"), window)


def sent(exchange: Exchange) -> list[Delivery]:
    """Send all that may be sent."""
    found = []
    while (one := exchange.advance()) is not None:
        found.append(one)
    return found


def names(deliveries: list[Delivery]) -> list[str]:
    """Return what deliveries carry."""
    return [one.outgoing.payload.decode() for one in deliveries]


def test_the_window_holds_back() -> None:
    """No more is in flight than the window, and an acknowledgement lets the next go."""
    exchange = exchange_of(10, 2)
    for name in "abcd":
        exchange.offer(delivery(name))
    first = sent(exchange)
    assert names(first) == ["a", "b"]
    assert exchange.acknowledged(first[0].packet_id) is first[0]
    assert names(sent(exchange)) == ["c"]


def test_the_oldest_goes_when_the_queue_is_full() -> None:
    """A full queue drops its oldest and says which."""
    exchange = exchange_of(2, 0)
    dropped = [exchange.offer(delivery(name)) for name in "abcd"]
    assert [names(gone) for gone in dropped] == [[], [], ["a"], ["b"]]


def test_packet_ids_are_never_0_and_never_in_use() -> None:
    """After 65,535 messages ids come again, but not one whose first message is still in flight."""
    exchange = exchange_of(10, 5)
    exchange.offer(delivery("stuck"))
    (stuck,) = sent(exchange)
    for number in range(PACKET_IDS - 1):
        exchange.offer(delivery(str(number)))
        (one,) = sent(exchange)
        assert one.packet_id not in (0, stuck.packet_id)
        exchange.acknowledged(one.packet_id)
    exchange.offer(delivery("next"))
    assert sent(exchange) == []
    exchange.acknowledged(stuck.packet_id)
    assert names(sent(exchange)) == ["next"]


def test_exactly_once_in_its_four_steps() -> None:
    """PUBREC, PUBREL and PUBCOMP end a QoS 2 delivery; each only in its turn."""
    exchange = exchange_of(10, 10)
    exchange.offer(delivery(qos=2))
    (one,) = sent(exchange)
    for too_early in (exchange.acknowledged, exchange.completed):
        with pytest.raises(ProtocolError):
            too_early(one.packet_id)
    assert exchange.released(one.packet_id) is one
    assert exchange.refused(one.packet_id) is None
    assert exchange.completed(one.packet_id) is one
    assert exchange.completed(one.packet_id) is None


def test_a_new_connection_repeats_in_order_with_the_same_ids() -> None:
    """What was in flight goes out first, with DUP and its packet id; what was released only repeats
    its PUBREL.
    """
    exchange = exchange_of(10, 3)
    for name, qos in (("a", 1), ("b", 2), ("c", 2), ("d", 1)):
        exchange.offer(delivery(name, qos))
    before = sent(exchange)
    exchange.released(before[1].packet_id)
    exchange.part()
    assert names(exchange.resume()) == ["b"]
    again = sent(exchange)
    assert names(again) == ["a", "c"]
    assert [one.packet_id for one in again] == [before[0].packet_id, before[2].packet_id]
    assert all(one.dup for one in again)
    exchange.completed(before[1].packet_id)
    (fresh,) = sent(exchange)
    assert (names([fresh]), fresh.dup) == (["d"], False)


def test_a_smaller_window_holds_for_what_is_repeated() -> None:
    """A client that comes back with receive maximum 1 gets one at a time [MQTT-3.3.4-9]."""
    exchange = exchange_of(10, 5)
    for name in "abc":
        exchange.offer(delivery(name))
    sent(exchange)
    exchange.window = 1
    exchange.resume()
    (one,) = sent(exchange)
    assert names([one]) == ["a"]


def test_what_belongs_to_a_connection_ends_with_it() -> None:
    """A command to one connection is not kept for the next."""
    exchange = exchange_of(10, 1)
    exchange.offer(delivery("command", passing=True))
    exchange.offer(delivery("waiting", passing=True))
    exchange.offer(delivery("kept"))
    sent(exchange)
    exchange.part()
    exchange.resume()
    assert names(sent(exchange)) == ["kept"]


def test_withdrawing_finds_it_wherever_it_waits() -> None:
    """What is taken back is gone, whether it was in flight, waits again or never went out."""
    exchange = exchange_of(10, 2)
    for name in "abcd":
        exchange.offer(Delivery(Outgoing(name.encode(), name.encode()), 1))
    exchange.offer(Delivery(Outgoing(b"a", b"command"), 1, passing=True))
    sent(exchange)
    assert exchange.withdraw("bd".__contains__, sent=False)[0].outgoing.topic == b"d"
    assert names(exchange.withdraw("bd".__contains__, sent=True)) == ["b"]
    assert exchange.withdraw("x".__contains__, sent=True) == []
    exchange.resume()
    assert names(exchange.withdraw("a".__contains__, sent=False)) == ["a"]
    assert names(sent(exchange)) == ["c", "command"]


def test_restored_deliveries_keep_ids_and_order() -> None:
    """After a restart the ids are those of before, what may have been sent has DUP, and new ones
    follow.
    """
    before, after = exchange_of(10, 10), exchange_of(10, 10)
    for name in "abc":
        before.offer(delivery(name))
    ids = [one.packet_id for one in sent(before)]
    for position, (name, step) in enumerate(
        (("a", Step.RELEASED), ("b", Step.SENT), ("c", Step.WAITING)), 1
    ):
        after.restore(delivery(name, 2, position=position, step=step))
    released = after.resume()
    after.offer(delivery("d"))
    again = sent(after)
    assert [one.packet_id for one in (*released, *again[:2])] == ids
    assert [(one.outgoing.payload, one.dup) for one in again] == [
        (b"b", True),
        (b"c", False),
        (b"d", False),
    ]


@given(st.lists(st.sampled_from(["offer", "advance", "ack", "resume"]), max_size=60))
def test_nothing_is_lost_or_reordered(steps: list[str]) -> None:
    """Whatever happens, deliveries are acknowledged in the order in which they were offered, none
    missing.
    """
    exchange, offered, ended = exchange_of(1_000, 3), 0, []
    for step in steps:
        if step == "offer":
            exchange.offer(delivery(str(offered)))
            offered += 1
        elif step == "advance":
            exchange.advance()
        elif step == "ack" and exchange.flight:
            ended.append(exchange.acknowledged(min(exchange.flight)))
        elif step == "resume":
            exchange.part()
            exchange.resume()
        assert len(exchange.flight) <= 3
    while sent(exchange) or exchange.flight:
        ended.append(exchange.acknowledged(min(exchange.flight)))
    assert [one and one.outgoing.payload for one in ended] == [
        str(number).encode() for number in range(offered)
    ]
