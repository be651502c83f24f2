"""Packets of iot.io 1, held against their own encoder."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iotio_client.PacketEncoder import DefaultPacketEncoder

from gateway.bridges.iotio.packets import Packet, decode, encode
from gateway.errors import Invalid

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
LEAVES = st.none() | st.booleans() | INT64 | st.floats(allow_nan=False, allow_infinity=False) | TEXT
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=10
)
COMPOUND = st.lists(TREES) | st.dictionaries(TEXT, TREES)


def test_the_bytes_of_echo():
    """The packet of the protocol's description is read and written as it stands there."""
    packet = bytes.fromhex("03000465 63686f 00000002 6869")
    assert decode(packet) == Packet("echo", '"hi"')
    assert encode("echo", '"hi"') == packet


@given(TEXT, st.booleans() | INT64 | TEXT | COMPOUND)
def test_what_their_client_sends_is_read(event, message):
    """Every value that their encoder takes arrives as it was."""
    found = decode(bytes(DefaultPacketEncoder.encode(event, message)))
    assert (found.event, json.loads(found.value)) == (event, message)


@given(TEXT, st.binary())
def test_bytes_are_base64(event, message):
    """Bytes are base64 on our side, and bytes again on the way back."""
    packet = bytes(DefaultPacketEncoder.encode(event, message))
    assert encode(*decode(packet)) == packet


@given(TEXT, TREES)
def test_what_is_written_is_read_by_their_client(event, value):
    """Every JSON value arrives at their client as it was, fractions and null too."""
    found = DefaultPacketEncoder.decode(encode(event, json.dumps(value)))
    assert found == (event, value)
    assert type(found[1]) is type(value)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    """No bytes do anything but give a packet or `Invalid`."""
    try:
        found = decode(data)
    except Invalid:
        return
    again = decode(encode(*found))
    assert (again.event, json.loads(again.value)) == (found.event, json.loads(found.value))


@given(TEXT, TEXT, st.data())
def test_a_packet_cut_short_is_refused(event, message, data):
    """A packet that lacks bytes, or has some to spare, is refused."""
    packet = bytes(DefaultPacketEncoder.encode(event, message))
    cut = data.draw(st.integers(0, len(packet) - 1))
    for wrong in (packet[:cut], packet + b"x"):
        with pytest.raises(Invalid):
            decode(wrong)


def test_an_event_of_70000_bytes_is_refused():
    """An event's length has 16 bits: more is refused by us, and what a peer cuts to 16 bits does
    not add up.
    """
    with pytest.raises(Invalid, match="65,535"):
        encode("e" * 70_000, "1")
    with pytest.raises(Invalid):
        decode(b"\x03" + (70_000 & 0xFFFF).to_bytes(2, "big") + b"e" * 70_000 + b"\0\0\0\2hi")


@pytest.mark.parametrize(
    "packet",
    [b"\x01\0\x01e\0\0\0\0", b"\x02\0\x01e\0\0\0\0", b"\x02\0\x01e\0\0\0\x09" + b"1" * 9,
     b"\x05\0\x01e\0\0\0\0", b"\x04\0\x01e\0\0\0\x01{",
     b"\x03\0\x01e\0\0\0\x01\xff", b"\x03\0\x01\xff\0\0\0\0"],
)  # fmt: skip
def test_what_does_not_fit_its_type_is_refused(packet):
    """An empty boolean or integer, one beyond 64 bits, an unknown type, broken JSON and text that
    is not UTF-8 are refused.
    """
    with pytest.raises(Invalid):
        decode(packet)


@pytest.mark.parametrize(
    ("packet", "value"),
    [(b"\x02\0\x01e\0\0\0\x02\x01\x02", "258"), (b"\x02\0\x01e\0\0\0\x04\xff\xff\xff\xfe", "-2"),
     (b"\x01\0\x01e\0\0\0\x02\0\1", "true"), (b"\x01\0\x01e\0\0\0\x02\0\0", "false")],
)  # fmt: skip
def test_numbers_of_other_lengths_are_read(packet, value):
    """A board that sends an int32 in four bytes, or a boolean in two, is understood as their own
    decoder understands it.
    """
    assert decode(packet) == Packet("e", value)
    assert DefaultPacketEncoder.decode(packet) == ("e", json.loads(value))
