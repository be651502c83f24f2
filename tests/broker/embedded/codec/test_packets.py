"""What is encoded is decoded to the same packet, in every version and from either side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties
from strategies import VERSIONS, client_packets, connects, server_packets

from gateway.broker.embedded.codec import properties, wire
from gateway.broker.embedded.codec.bodies import publish_header, read_topic_name
from gateway.broker.embedded.codec.decode import UNKNOWN_VERSION, Sender, decode
from gateway.broker.embedded.codec.encode import encode, encode_answer
from gateway.broker.embedded.codec.packets import (
    Auth,
    Connack,
    Disconnect,
    PacketType,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
)

LIMIT = 1 << 20
AFTER = b"\xc0\0"


@given(st.sampled_from(VERSIONS).flatmap(lambda version: connects(version)))
def test_a_connect_survives_its_bytes(packet):
    """CONNECT needs no agreed version, and what stands after it is left alone."""
    raw = encode(packet, packet.protocol_level)
    assert decode(b"x" + raw + AFTER, 1, UNKNOWN_VERSION, LIMIT) == (packet, len(raw) + 1)


@given(
    st.sampled_from(VERSIONS).flatmap(
        lambda version: st.tuples(st.just(version), client_packets(version))
    )
)
def test_what_a_client_sends_survives_its_bytes(case):
    """Every packet of a client, at any position in a buffer."""
    version, packet = case
    raw = encode(packet, version)
    assert decode(b"x" + raw + AFTER, 1, version, LIMIT) == (packet, len(raw) + 1)


@given(
    st.sampled_from(VERSIONS).flatmap(
        lambda version: st.tuples(st.just(version), server_packets(version))
    )
)
def test_what_a_server_sends_survives_its_bytes(case):
    """Every packet of a server, at any position in a buffer."""
    version, packet = case
    raw = encode(packet, version)
    assert decode(b"x" + raw + AFTER, 1, version, LIMIT, Sender.SERVER) == (packet, len(raw) + 1)


@given(st.integers(0, wire.LARGEST_LENGTH))
def test_a_variable_byte_integer_survives_its_bytes(value):
    """Every length is read back and takes no more bytes than the standard's table 1-1 says."""
    raw = wire.variable_byte_integer(value)
    assert wire.read_variable_byte_integer(raw, 0, len(raw)) == (value, len(raw))
    assert len(raw) == next(size for size in range(1, 5) if value < 128**size)


def test_a_length_that_does_not_fit_is_an_error_of_the_caller():
    """A packet above 256 MB, a string above 64 KB and a NUL are refused before a byte is
    written.
    """
    with pytest.raises(ValueError, match="268435456"):
        wire.variable_byte_integer(wire.LARGEST_LENGTH + 1)
    with pytest.raises(ValueError, match="65536"):
        encode(Publish("a" * 65536), 4)
    with pytest.raises(ValueError, match=r"U\+0000"):
        encode(Disconnect(properties=Properties(reason_string="\0")), 5)


def test_the_header_of_a_publish_can_be_read_alone():
    """A reader with a fast path of its own gets topic bytes, packet id and where the rest
    begins.
    """
    raw = encode(Publish("ä/b", b"21.4", 1, packet_id=300), 4)
    body, end = wire.packet_bounds(raw, 0, LIMIT)
    assert publish_header(raw, body, end, 1) == ("ä/b".encode(), 300, end - 4)
    assert read_topic_name("ä/b".encode(), 4) == "ä/b"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", [Puback, Pubrec, Pubrel, Pubcomp])
def test_a_plain_answer_is_four_bytes(kind, version):
    """Success looks the same in all versions."""
    raw = encode_answer(kind.packet_type, 7)
    assert len(raw) == 4
    assert raw == encode(kind(7), version) == encode(kind(7, properties=Properties()), version)


def test_before_version_5_reason_codes_become_what_there_is():
    """A CONNACK gets its return code, a SUBACK the one failure, and an answer none."""
    assert encode(Connack(reason_code=0x87), 4) == b"\x20\x02\x00\x05"
    assert encode(Suback(1, (1, 0x87)), 4) == b"\x90\x04\x00\x01\x01\x80"
    assert encode(Puback(1, 0x87), 4) == b"\x40\x02\x00\x01"
    assert encode(Disconnect(0x8B), 4) == b"\xe0\x00"


def test_what_a_version_cannot_say_is_an_error_of_the_caller():
    """AUTH, and a CONNACK for which 3.1.1 has no return code [MQTT-3.2.2-6]."""
    with pytest.raises(ValueError, match="AUTH"):
        encode(Auth(), 4)
    with pytest.raises(ValueError, match="0x95"):
        encode(Connack(reason_code=0x95), 4)


@pytest.mark.parametrize(
    ("owner", "ours", "name", "theirs"),
    [
        ("PUBLISH", {"payload_format_indicator": 1}, "PayloadFormatIndicator", 1),
        ("PUBLISH", {"message_expiry_interval": 70000}, "MessageExpiryInterval", 70000),
        ("PUBLISH", {"content_type": "ä"}, "ContentType", "ä"),
        ("PUBLISH", {"response_topic": "a/b"}, "ResponseTopic", "a/b"),
        ("PUBLISH", {"correlation_data": b"\0\xff"}, "CorrelationData", b"\0\xff"),
        ("PUBLISH", {"topic_alias": 258}, "TopicAlias", 258),
        ("PUBLISH", {"subscription_identifier": (1, 300)}, "SubscriptionIdentifier", [1, 300]),
        (
            "PUBLISH",
            {"user_property": (("a", "b"), ("a", "c"))},
            "UserProperty",
            [("a", "b"), ("a", "c")],
        ),
        ("CONNECT", {"session_expiry_interval": 70000}, "SessionExpiryInterval", 70000),
        ("CONNECT", {"receive_maximum": 258}, "ReceiveMaximum", 258),
        ("CONNECT", {"maximum_packet_size": 70000}, "MaximumPacketSize", 70000),
        ("CONNECT", {"topic_alias_maximum": 258}, "TopicAliasMaximum", 258),
        ("CONNECT", {"request_response_information": 1}, "RequestResponseInformation", 1),
        ("CONNECT", {"request_problem_information": 0}, "RequestProblemInformation", 0),
        ("CONNECT", {"authentication_method": "m"}, "AuthenticationMethod", "m"),
        ("CONNECT", {"authentication_data": b"d"}, "AuthenticationData", b"d"),
        ("WILLMESSAGE", {"will_delay_interval": 70000}, "WillDelayInterval", 70000),
        ("CONNACK", {"assigned_client_identifier": "c"}, "AssignedClientIdentifier", "c"),
        ("CONNACK", {"server_keep_alive": 258}, "ServerKeepAlive", 258),
        ("CONNACK", {"response_information": "r"}, "ResponseInformation", "r"),
        ("CONNACK", {"server_reference": "s"}, "ServerReference", "s"),
        ("CONNACK", {"reason_string": "r"}, "ReasonString", "r"),
        ("CONNACK", {"maximum_qos": 1}, "MaximumQoS", 1),
        ("CONNACK", {"retain_available": 0}, "RetainAvailable", 0),
        ("CONNACK", {"wildcard_subscription_available": 0}, "WildcardSubscriptionAvailable", 0),
        ("CONNACK", {"subscription_identifier_available": 0}, "SubscriptionIdentifierAvailable", 0),
        ("CONNACK", {"shared_subscription_available": 0}, "SharedSubscriptionAvailable", 0),
    ],
)
def test_a_property_is_written_as_paho_writes_it(owner, ours, name, theirs):
    """Another implementation reads our bytes as the same property and writes the same bytes."""
    made = Properties(**ours)
    paho = PahoProperties(getattr(PacketTypes, owner))
    paho.unpack(properties.write(made))
    assert getattr(paho, name) == theirs
    assert paho.pack() == properties.write(made)
    own = properties.WILL if owner == "WILLMESSAGE" else PacketType[owner]
    assert properties.read(paho.pack(), 0, len(paho.pack()), own)[0] == made
