"""Packets cut out of a stream, and decoded strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.amqtt.packets import decode, decode_connect, publish_packet, split
from gateway.errors import ProtocolError

TOPICS = st.text(
    st.characters(exclude_characters="+#\x00", exclude_categories=("Cs",)), min_size=1, max_size=50
)
FIRST_BYTES = st.integers(0, 255)


def frame(packet: bytes) -> tuple[int, bytes]:
    """Return the only frame of a packet's bytes."""
    (only,) = split(bytearray(packet), 1 << 20)
    return only


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 40))
def test_the_same_packets_come_out_however_the_stream_is_cut(
    bodies: list[bytes], step: int
) -> None:
    """Frames depend on the bytes alone, not on how many come with one read."""
    packets = [publish_packet("t", body, None, qos=0, retain=False, dup=False) for body in bodies]
    stream, buffer, frames = b"".join(packets), bytearray(), []
    for start in range(0, len(stream), step):
        buffer += stream[start : start + step]
        frames += split(buffer, 1000)
    assert frames == [(0x30, b"\x00\x01t" + body) for body in bodies]
    assert buffer == b""


@given(st.binary(max_size=100))
def test_split_refuses_or_keeps_any_bytes(stream: bytes) -> None:
    """Any bytes are frames, the beginning of one, or a protocol error; nothing is lost between."""
    buffer = bytearray(stream)
    try:
        frames = split(buffer, 50)
    except ProtocolError:
        return
    assert stream.endswith(bytes(buffer))
    assert all(len(body) <= 50 for _, body in frames)


def test_what_comes_before_a_packet_that_is_too_large_counts() -> None:
    """The error comes when the packet is the first in the buffer."""
    buffer = bytearray(b"\xc0\x00\x30\x7f")
    assert split(buffer, 100) == [(0xC0, b"")]
    with pytest.raises(ProtocolError, match="127 bytes; the limit is 100") as error:
        split(buffer, 100)
    assert error.value.reason_code == 0x95


def test_as_many_packets_as_asked_for() -> None:
    """`most` leaves the rest in the buffer."""
    buffer = bytearray(b"\xc0\x00\xc0\x00")
    assert split(buffer, 10, 1) == [(0xC0, b"")]
    assert buffer == b"\xc0\x00"


@given(
    TOPICS,
    st.binary(max_size=200),
    st.integers(0, 1),
    st.integers(1, 65535),
    st.booleans(),
    st.booleans(),
)
async def test_publish_comes_back_as_it_was_written(
    topic: str, payload: bytes, qos: int, packet_id: int, retain: bool, dup: bool
) -> None:
    """A PUBLISH packet that is written is read with the same fields."""
    number = packet_id if qos else None
    packet = await decode(
        frame(publish_packet(topic, payload, number, qos=qos, retain=retain, dup=dup))
    )
    fields = (
        packet.topic_name,
        packet.data,
        packet.packet_id,
        packet.qos,
        packet.retain_flag,
        packet.dup_flag,
    )
    assert fields == (topic, payload, number, qos, retain, dup)


@given(FIRST_BYTES, st.binary(max_size=60))
async def test_any_bytes_are_a_packet_or_a_protocol_error(first: int, body: bytes) -> None:
    """Nothing else is raised, whatever amqtt's codec makes of it."""
    try:
        packet = await decode((first, body))
    except ProtocolError:
        return
    assert packet.fixed_header.packet_type == first >> 4


@given(st.binary(max_size=60), st.booleans())
async def test_any_bytes_are_a_connect_or_a_protocol_error(body: bytes, named: bool) -> None:
    """The first packet a stranger sends raises nothing but protocol errors."""
    body = b"\x00\x04MQTT\x04" + body if named else body
    try:
        packet = await decode_connect((0x10, body))
    except ProtocolError:
        return
    assert packet.payload.client_id is not None
