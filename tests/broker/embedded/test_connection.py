"""A connection over a transport that is not a socket, as the WebSocket at /mqtt is one."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import (
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Properties,
    Publish,
    Pubrel,
    Subscribe,
    Subscription,
    Unsubscribe,
)
from gateway.broker.embedded.core.wheel import ticks

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.broker.embedded.connection import Connection

    from .conftest import Bench

    NewBench = Callable[[], Bench]


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self.ended = False
        self.aborted = False
        self.unread = 0
        self.reading = True

    def write(self, data: bytes) -> None:
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return self.unread

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default


PACKETS = [
    Subscribe(1, (Subscription("a/#", 2), Subscription("$share/g/a", 1))),
    Publish("a/b", b"x", 2, packet_id=3),
    Publish("a/b", b"x", 1, True, packet_id=3),
    Pubrel(3),
    Unsubscribe(4, ("a/#",)),
    Disconnect(4, Properties(session_expiry_interval=0)),
    Disconnect(0),
]
streams = st.lists(
    st.one_of(st.binary(max_size=40), st.sampled_from([encode(packet, 5) for packet in PACKETS])),
    max_size=8,
).flatmap(
    lambda parts: st.lists(st.integers(0, sum(map(len, parts))), max_size=4).map(
        lambda cuts: cut(parts, cuts)
    )
)


def cut(parts: list[bytes], cuts: list[int]) -> list[bytes]:
    """Return a stream cut at these places."""
    stream, places = b"".join(parts), [0, *sorted(cuts), None]
    return [stream[start:end] for start, end in itertools.pairwise(places)]


@given(streams, st.booleans())
def test_arbitrary_bytes_leave_nothing_behind(
    new_bench: NewBench, chunks: list[bytes], signed_in: bool
) -> None:
    """No bytes raise, and when the connection has gone, so have its session, its place and its
    deadline.
    """
    asyncio.run(_feed(new_bench(), chunks, signed_in))


async def _feed(bench: Bench, chunks: list[bytes], signed_in: bool) -> None:
    wire, connection = Wire(), bench.broker.accept()
    connection.connection_made(wire)  # type: ignore[arg-type]
    if signed_in:
        connection.data_received(encode(Connect("c", 5, username="d"), 5))
    for chunk in chunks:
        connection.data_received(chunk)
    connection.connection_lost(None)
    core = bench.broker.machine
    assert not core.clients
    assert not core.seats.taken
    assert not bench.broker.open.strangers
    assert not bench.broker.open.stalled
    assert len(core.wheel) == 0
    assert len(core.sessions) == 0
    assert len(core.router._tree) == 0


def come(bench: Bench, client_id: str, keep_alive: int = 0) -> tuple[Connection, Wire]:
    """Let a client in."""
    wire, connection = Wire(), bench.broker.accept()
    connection.connection_made(wire)  # type: ignore[arg-type]
    connection.data_received(encode(Connect(client_id, 5, keep_alive=keep_alive, username="d"), 5))
    assert wire.written[:1] == b"\x20"
    return connection, wire


async def test_what_is_closed_and_not_read_is_aborted(new_bench: NewBench) -> None:
    """A client that is cut off and does not take its last packets does not keep its socket."""
    bench = new_bench()
    _, first = come(bench, "c")
    come(bench, "c")
    assert (first.closed, first.aborted) == (True, False)
    assert first.written.endswith(encode(Disconnect(0x8E), 5))
    wheel = bench.broker.machine.wheel
    wheel.turn(wheel.now + ticks(5))
    assert first.aborted


async def test_what_is_closed_and_gone_is_left_alone(new_bench: NewBench) -> None:
    """A closed connection whose transport has ended is not looked at again."""
    bench = new_bench()
    connection, wire = come(bench, "c")
    come(bench, "c")
    connection.connection_lost(None)
    wheel = bench.broker.machine.wheel
    wheel.turn(wheel.now + ticks(5))
    assert not wire.aborted


async def test_who_is_cut_off_has_a_while_to_close(new_bench: NewBench) -> None:
    """After an error our direction is closed, what still comes is let go of, and who does not close
    is aborted.
    """
    bench = new_bench()
    connection, wire = come(bench, "c")
    connection.data_received(b"\0\0")
    assert wire.written.endswith(encode(Disconnect(0x81), 5))
    assert (wire.ended, wire.closed, wire.aborted) == (True, False, False)
    written = wire.written
    connection.data_received(encode(Publish("a", b"late", 1, packet_id=1), 5))
    assert wire.written == written
    assert not bench.gate.messages
    wheel = bench.broker.machine.wheel
    wheel.turn(wheel.now + ticks(5))
    assert wire.aborted


async def test_who_is_cut_off_and_gone_is_closed(new_bench: NewBench) -> None:
    """Nothing is ended on a transport that closes already."""
    bench = new_bench()
    connection, wire = come(bench, "c")
    wire.closed = True
    connection.data_received(b"\0\0")
    assert not wire.ended


@pytest.mark.parametrize("packet", [Pingreq(), Publish("t", b"", 1, packet_id=1)])
async def test_a_client_that_takes_no_answers_is_not_read(
    new_bench: NewBench, packet: Packet
) -> None:
    """Answers are bounded as messages are; when it reads again, all of them come."""
    bench = new_bench()
    connection, wire = come(bench, "c")
    wire.written = b""
    data = encode(packet, 5)
    connection.data_received(data)
    answer = wire.written
    connection.pause_writing()
    wire.unread = bench.broker.machine.shared.limits.answer_buffer
    connection.data_received(data)
    assert wire.written == answer * 2
    wire.unread += 1
    connection.data_received(data)
    assert wire.written == answer * 2
    assert not wire.reading
    wire.unread = 0
    connection.resume_writing()
    assert wire.written == answer * 3
    assert wire.reading


async def test_a_client_that_never_reads_is_ended(new_bench: NewBench) -> None:
    """Its pings are not read, and that is its own doing."""
    bench = new_bench()
    connection, wire = come(bench, "c", keep_alive=10)
    connection.pause_writing()
    wire.unread = 10 * bench.broker.machine.shared.limits.answer_buffer
    wheel = bench.broker.machine.wheel
    wheel.turn(wheel.now + ticks(16))
    assert wire.closed
