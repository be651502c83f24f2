"""A stream of packets means the same however it is cut, and nothing in it raises but a protocol
error.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import VERSIONS, client_packets, connects, server_packets

from gateway.broker.embedded.codec.decode import UNKNOWN_VERSION, Sender, decode
from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import Connect, Pingreq, Publish
from gateway.broker.embedded.codec.reasons import MalformedPacket, PacketTooLarge
from gateway.errors import ProtocolError
from tests.packet_stream import Decoder

LIMIT = 2000


def read(decoder, pieces):
    """Return the packets of a stream, the error that ends it and the version it is in."""
    packets, broken = [], None
    try:
        for piece in pieces:
            packets.extend(decoder.feed(piece))  # keeps those before an error
            assert len(decoder.pending) <= decoder.max_size
    except ProtocolError as error:
        broken = (error.reason_code, str(error))
    return packets, broken, decoder.version


@st.composite
def streams(draw):
    """The packets of one connection from its client, and their bytes."""
    version = draw(st.sampled_from(VERSIONS))
    packets = [draw(connects(version)), *draw(st.lists(client_packets(version), max_size=6))]
    return packets, b"".join(encode(packet, version) for packet in packets)


@st.composite
def cut(draw, raw):
    """The same bytes in pieces, some of them empty."""
    places = sorted(draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    return [raw[start:end] for start, end in zip([0, *places], [*places, len(raw)], strict=True)]


@given(st.data())
def test_any_cut_of_a_stream_gives_its_packets(data):
    """From CONNECT on, in all versions."""
    packets, raw = data.draw(streams())
    decoder = Decoder(LIMIT)
    assert read(decoder, data.draw(cut(raw))) == (packets, None, packets[0].protocol_level)
    assert not decoder.pending


@given(st.data(), st.sampled_from(VERSIONS))
def test_any_cut_of_a_servers_stream_gives_its_packets(data, version):
    """The same decoder serves a client, which knows its version."""
    packets = data.draw(st.lists(server_packets(version), max_size=6))
    raw = b"".join(encode(packet, version) for packet in packets)
    decoder = Decoder(LIMIT, sender=Sender.SERVER, version=version)
    assert read(decoder, data.draw(cut(raw))) == (packets, None, version)


@given(streams())
def test_a_stream_byte_by_byte(stream):
    """The finest cut of all."""
    packets, raw = stream
    pieces = [raw[place : place + 1] for place in range(len(raw))]
    assert read(Decoder(LIMIT), pieces)[0] == packets


@given(st.data())
def test_a_damaged_stream_breaks_at_the_same_place_however_it_is_cut(data):
    """The packets before the damage come out, then the same error, in one piece and in many."""
    _, raw = data.draw(streams())
    damaged = bytearray(raw)
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=3)):
        damaged[place] = data.draw(st.integers(0, 255))
    whole = read(Decoder(LIMIT), [bytes(damaged)])
    assert read(Decoder(LIMIT), data.draw(cut(bytes(damaged)))) == whole


@given(st.binary(max_size=200), st.sampled_from([UNKNOWN_VERSION, *VERSIONS]))
def test_arbitrary_bytes_raise_only_protocol_errors(raw, version):
    """Whatever a client sends, at any point of a connection; wherever it is cut, all the same."""
    half = len(raw) // 2
    whole = read(Decoder(100, version=version), [raw])
    assert read(Decoder(100, version=version), [raw[:half], raw[half:]]) == whole


@given(
    st.integers(0, 255), st.binary(max_size=100), st.sampled_from(VERSIONS), st.sampled_from(Sender)
)
def test_arbitrary_bodies_raise_only_protocol_errors(first, body, version, sender):
    """A good frame around any body, from either side, is a packet of its own length or an error."""
    raw = bytes((first, len(body))) + body
    try:
        end = decode(raw, 0, version, LIMIT, sender)[1]
    except ProtocolError:
        return
    assert end == len(raw)


@given(st.data(), st.sampled_from(VERSIONS))
def test_what_is_read_can_be_written_again(data, version):
    """A packet read from damaged bytes is one that the encoder writes and the decoder reads
    again.
    """
    packet = data.draw(client_packets(version))
    damaged = bytearray(encode(packet, version))
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] = data.draw(st.integers(0, 255))
    found = read(Decoder(LIMIT, version=version), [bytes(damaged)])[0]
    again = b"".join(encode(one, version) for one in found)
    assert read(Decoder(LIMIT, version=version), [again])[0] == found


@pytest.mark.parametrize("version", VERSIONS)
def test_packets_before_a_broken_one_are_delivered(version):
    """`feed` yields what was good, then raises."""
    found = Decoder(LIMIT, version=version).feed(b"\xc0\0\xc0\0\0\0")
    assert [next(found), next(found)] == [Pingreq(), Pingreq()]
    with pytest.raises(MalformedPacket):
        next(found)


def test_a_packet_over_the_limit_is_refused_by_its_header():
    """Nothing of its body is waited for or held [MQTT-3.2.2-15]."""
    decoder = Decoder(100, version=4)
    assert list(decoder.feed(b"\x30\xe3")) == []
    with pytest.raises(PacketTooLarge) as refused:
        list(decoder.feed(b"\x7f"))
    assert refused.value.reason_code == 0x95


def test_a_packet_of_just_the_limit_is_accepted():
    """The limit counts the whole packet, header and all."""
    packet = Publish("a", b"x" * 95)
    raw = encode(packet, 4)
    assert list(Decoder(len(raw), version=4).feed(raw)) == [packet]
    with pytest.raises(PacketTooLarge):
        list(Decoder(len(raw) - 1, version=4).feed(raw))


def test_a_first_byte_that_no_packet_has_is_refused_at_once():
    """A browser that sends HTTP is not waited for."""
    with pytest.raises(ProtocolError, match="CONNECT"):
        list(Decoder(LIMIT).feed(b"P"))


def test_the_version_follows_from_the_connect():
    """What stands in the same read as the CONNECT is read in its version already."""
    raw = encode(Connect("c", 5), 5) + b"\xe0\1\4"
    decoder = Decoder(LIMIT)
    assert [packet.packet_type.name for packet in decoder.feed(raw)] == ["CONNECT", "DISCONNECT"]
    assert decoder.version == 5
