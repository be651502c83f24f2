"""What the standard forbids is refused with its reason code; each case carries the clause it
breaks.
"""

from __future__ import annotations

import pytest

from gateway.broker.embedded.codec.decode import UNKNOWN_VERSION, Sender, decode
from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import Properties, Publish
from gateway.broker.embedded.codec.reasons import ReasonCode, TooManyProperties
from gateway.errors import ProtocolError

C, S = Sender.CLIENT, Sender.SERVER
MALFORMED, PROTOCOL = ReasonCode.MALFORMED_PACKET, ReasonCode.PROTOCOL_ERROR
NAME, FILTER = ReasonCode.TOPIC_NAME_INVALID, ReasonCode.TOPIC_FILTER_INVALID
VERSION, ALIAS = ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, ReasonCode.TOPIC_ALIAS_INVALID


def connect(level: int, flags: int, rest: bytes = b"\0\0") -> bytes:
    """A CONNECT with these flags; `rest` follows the keep-alive."""
    body = b"\0\4MQTT" + bytes((level, flags)) + b"\0\0" + rest
    return bytes((0x10, len(body))) + body


def publish(properties: bytes) -> bytes:
    """A PUBLISH of MQTT 5 to `a` with these properties."""
    body = b"\0\1a" + bytes((len(properties),)) + properties
    return bytes((0x30, len(body))) + body


def subscribe(topic_filter: bytes, options: int = 0, *, version: int = 5) -> bytes:
    """A SUBSCRIBE to one filter."""
    body = b"\0\1" + (b"\0" if version == 5 else b"")
    body += bytes((0, len(topic_filter))) + topic_filter + bytes((options,))
    return bytes((0x82, len(body))) + body


CONNECTS = [
    ("MQTT-3.1.0-1", PROTOCOL, b"\xc0\0"),
    ("MQTT-2.1.3-1", MALFORMED, b"\x11\x0c\0\4MQTT\4\2\0\0\0\0"),
    ("MQTT-3.1.2-1 name", VERSION, b"\x10\x0c\0\4MQTt\4\2\0\0\0\0"),
    ("MQTT-3.1.2-1 old name, new level", VERSION, b"\x10\x0e\0\6MQIsdp\4\2\0\0\0\0"),
    ("MQTT-3.1.2-2 level 3 of MQTT", VERSION, connect(3, 2)),
    ("MQTT-3.1.2-2 level 6", VERSION, connect(6, 2)),
    ("MQTT-3.1.2-3 v4", MALFORMED, connect(4, 3)),
    ("MQTT-3.1.2-3 v5", MALFORMED, connect(5, 3, b"\0\0\0")),
    ("MQTT-3.1.2-11 v4", MALFORMED, connect(4, 0x0A)),
    ("MQTT-3.1.2-11 v5", MALFORMED, connect(5, 0x0A, b"\0\0\0")),
    ("MQTT-3.1.2-15 v4", MALFORMED, connect(4, 0x22)),
    ("MQTT-3.1.2-13 v5", MALFORMED, connect(5, 0x22, b"\0\0\0")),
    ("MQTT-3.1.2-14 v4", MALFORMED, connect(4, 0x1E, b"\0\0\0\1w\0\0")),
    ("MQTT-3.1.2-12 v5", MALFORMED, connect(5, 0x1E, b"\0\0\0\0\0\1w\0\0")),
    ("MQTT-3.1.2-22 v4", MALFORMED, connect(4, 0x42, b"\0\0\0\1p")),
    ("MQTT-3.1.2-9 no will", MALFORMED, connect(4, 0x06)),
    ("MQTT-3.1.2-17 no user name", MALFORMED, connect(4, 0x82)),
    ("MQTT-3.1.2-19 no password", MALFORMED, connect(4, 0xC2, b"\0\0\0\1u")),
    ("MQTT-3.1.2-18 a field without a flag", MALFORMED, connect(4, 2, b"\0\0\0\1u")),
    ("MQTT-3.1.3-3 no client id", MALFORMED, connect(4, 2, b"")),
    ("MQTT-3.1.3-4 client id not UTF-8", MALFORMED, connect(4, 2, b"\0\1\xff")),
    ("MQTT-3.1.3-11 will topic not UTF-8", MALFORMED, connect(4, 6, b"\0\0\0\1\xff\0\0")),
    ("MQTT-4.7.3-1 will topic empty", NAME, connect(4, 6, b"\0\0\0\0\0\0")),
    ("MQTT-4.7.0-1 will topic with wildcard", NAME, connect(4, 6, b"\0\0\0\1#\0\0")),
    ("MQTT-3.1.3-12 user name not UTF-8", MALFORMED, connect(4, 0x82, b"\0\0\0\1\xff")),
    ("MQTT-1.5.5-1", MALFORMED, b"\x10\x8d\0" + connect(5, 2, b"\0\0\0")[2:]),
    ("MQTT-2.2.2-1 no properties", MALFORMED, connect(5, 2, b"")),
    ("3.1.2.11.3 receive maximum 0", PROTOCOL, connect(5, 2, b"\3\x21\0\0\0\0")),
    ("3.1.2.11.4 maximum packet size 0", PROTOCOL, connect(5, 2, b"\5\x27\0\0\0\0\0\0")),
    ("3.1.2.11.6 request response information 2", PROTOCOL, connect(5, 2, b"\2\x19\2\0\0")),
    ("3.1.2.11.7 request problem information 2", PROTOCOL, connect(5, 2, b"\2\x17\2\0\0")),
    (
        "3.1.2.11.2 session expiry twice",
        PROTOCOL,
        connect(5, 2, b"\x0a\x11\0\0\0\1\x11\0\0\0\1\0\0"),
    ),
    ("3.1.2.11.10 data without method", PROTOCOL, connect(5, 2, b"\4\x16\0\1x\0\0")),
    ("2.2.2.2 a property of PUBLISH", MALFORMED, connect(5, 2, b"\2\1\1\0\0")),
    ("2.2.2.2 a will's property", MALFORMED, connect(5, 2, b"\5\x18\0\0\0\1\0\0")),
    (
        "2.2.2.2 a CONNECT's property in the will",
        MALFORMED,
        connect(5, 6, b"\0\0\0\5\x11\0\0\0\1\0\1w\0\0"),
    ),
]

CLIENT = [
    ("2.1.2 type 0", 4, MALFORMED, b"\0\0"),
    ("2.1.2 type 15 before version 5", 4, MALFORMED, b"\xf0\0"),
    ("MQTT-3.1.0-2", 4, PROTOCOL, connect(4, 2)),
    ("MQTT-2.2.2-2 PUBACK", 4, MALFORMED, b"\x41\2\0\1"),
    ("MQTT-2.1.3-1 PINGREQ", 5, MALFORMED, b"\xc8\0"),
    ("MQTT-3.6.1-1", 5, MALFORMED, b"\x60\2\0\1"),
    ("MQTT-3.6.1-1 with DUP", 4, MALFORMED, b"\x6a\2\0\1"),
    ("MQTT-3.8.1-1", 4, MALFORMED, b"\x80\6\0\1\0\1a\0"),
    ("MQTT-3.10.1-1", 4, MALFORMED, b"\xa0\5\0\1\0\1a"),
    ("MQTT-3.14.1-1", 4, MALFORMED, b"\xe1\0"),
    ("MQTT-3.15.1-1", 5, MALFORMED, b"\xf1\0"),
    ("2.1.4 five bytes of length", 4, MALFORMED, b"\x30\xff\xff\xff\xff\1"),
    ("MQTT-1.5.5-1 remaining length", 5, MALFORMED, b"\xc0\x80\0"),
    ("MQTT-1.5.5-1 property length", 5, MALFORMED, b"\x30\5\0\1a\x80\0"),
    ("MQTT-1.5.4-1 overlong", 5, MALFORMED, b"\x30\5\0\2\xc0\xaf\0"),
    ("MQTT-1.5.4-1 surrogate", 5, MALFORMED, b"\x30\6\0\3\xed\xa0\x80\0"),
    ("MQTT-1.5.3-1 surrogate", 4, MALFORMED, b"\x30\5\0\3\xed\xa0\x80"),
    ("MQTT-1.5.4-2 U+0000", 5, MALFORMED, b"\x30\4\0\1\0\0"),
    ("MQTT-1.5.3-2 U+0000", 4, MALFORMED, b"\x30\3\0\1\0"),
    ("MQTT-1.5.7-1 pair not UTF-8", 5, MALFORMED, publish(b"\x26\0\1a\0\1\xff")),
    ("MQTT-2.3.1-1 PUBLISH", 4, PROTOCOL, b"\x32\5\0\1a\0\0"),
    ("MQTT-2.2.1-3 PUBLISH", 5, PROTOCOL, b"\x32\6\0\1a\0\0\0"),
    ("MQTT-2.2.1-3 SUBSCRIBE", 5, PROTOCOL, b"\x82\7\0\0\0\0\1a\0"),
    ("MQTT-2.3.1-1 UNSUBSCRIBE", 4, PROTOCOL, b"\xa2\5\0\0\0\1a"),
    ("MQTT-2.2.1-5 PUBACK", 4, PROTOCOL, b"\x40\2\0\0"),
    ("MQTT-3.3.1-2", 4, MALFORMED, b"\x38\3\0\1a"),
    ("MQTT-3.3.1-4", 5, MALFORMED, b"\x36\6\0\1a\0\1\0"),
    ("MQTT-3.3.2-1 no topic", 4, MALFORMED, b"\x30\1\0"),
    ("MQTT-3.3.2-1 topic cut off", 4, MALFORMED, b"\x30\3\0\2a"),
    ("MQTT-3.3.2-1 packet id cut off", 4, MALFORMED, b"\x32\4\0\1a\0"),
    ("MQTT-3.3.2-2 #", 4, NAME, b"\x30\3\0\1#"),
    ("MQTT-3.3.2-2 +", 5, NAME, b"\x30\6\0\3a/+\0"),
    ("MQTT-4.7.3-1 empty topic", 4, NAME, b"\x30\2\0\0"),
    ("3.3.2.1 neither topic nor alias", 5, PROTOCOL, b"\x30\3\0\0\0"),
    ("MQTT-3.3.2-8 alias 0", 5, ALIAS, publish(b"\x23\0\0")),
    ("3.3.2.3.4 alias twice", 5, PROTOCOL, publish(b"\x23\0\1\x23\0\1")),
    ("3.3.2.3.2 payload format 2", 5, PROTOCOL, publish(b"\1\2")),
    ("MQTT-3.3.2-13 response topic not UTF-8", 5, MALFORMED, publish(b"\x08\0\1\xff")),
    ("MQTT-3.3.2-14", 5, NAME, publish(b"\x08\0\3a/+")),
    ("MQTT-3.3.2-19 content type not UTF-8", 5, MALFORMED, publish(b"\3\0\1\xff")),
    ("MQTT-3.3.4-6", 5, PROTOCOL, publish(b"\x0b\1")),
    ("3.3.2.3.8 subscription identifier 0", 5, PROTOCOL, publish(b"\x0b\0")),
    ("2.2.2.2 unknown property", 5, MALFORMED, publish(b"\x7f\0")),
    ("2.2.2.2 a property of CONNECT", 5, MALFORMED, publish(b"\x11\0\0\0\0")),
    (
        "2.2.2.2 a property cut off by the property length",
        5,
        MALFORMED,
        b"\x30\x08\0\1a\3\2\0\0\0\0",
    ),
    ("1.5.4 a string longer than the properties", 5, MALFORMED, publish(b"\3\0\5a")),
    ("1.5.4 a string longer than the packet", 4, MALFORMED, b"\xa2\5\0\1\0\2a"),
    ("2.2.2.1 properties longer than the packet", 5, MALFORMED, b"\x30\6\0\1a\5\1\1"),
    ("3.4.2.2.1 a PUBACK with more than properties", 5, MALFORMED, b"\x40\5\0\1\0\0\0"),
    ("3.4.2 a PUBACK of 3.1.1 with a code", 4, MALFORMED, b"\x40\3\0\1\0"),
    ("3.4.2 a PUBACK without an id", 4, MALFORMED, b"\x40\1\0"),
    ("MQTT-3.4.2-1", 5, PROTOCOL, b"\x40\3\0\1\x92"),
    ("MQTT-3.5.2-1", 5, PROTOCOL, b"\x50\3\0\1\1"),
    ("MQTT-3.6.2-1", 5, PROTOCOL, b"\x62\3\0\1\x80"),
    ("MQTT-3.7.2-1", 5, PROTOCOL, b"\x70\3\0\1\x10"),
    ("MQTT-3.8.3-1", 5, MALFORMED, subscribe(b"\xff")),
    ("MQTT-3.8.3-3 v4 no filter", 4, PROTOCOL, b"\x82\2\0\1"),
    ("MQTT-3.8.3-2 v5 no filter", 5, PROTOCOL, b"\x82\3\0\1\0"),
    ("MQTT-3-8.3-4 reserved bits", 4, MALFORMED, subscribe(b"a", 4, version=4)),
    ("MQTT-3-8.3-4 QoS 3", 4, PROTOCOL, subscribe(b"a", 3, version=4)),
    ("MQTT-3.8.3-5", 5, MALFORMED, subscribe(b"a", 0x40)),
    ("3.8.3.1 QoS 3", 5, PROTOCOL, subscribe(b"a", 3)),
    ("3.8.3.1 retain handling 3", 5, PROTOCOL, subscribe(b"a", 0x30)),
    ("3.8.3 no options", 5, MALFORMED, b"\x82\6\0\1\0\0\1a"),
    ("MQTT-3.8.3-4 no local", 5, PROTOCOL, subscribe(b"$share/g/a", 4)),
    ("MQTT-4.8.2-1 no name", 5, FILTER, subscribe(b"$share//a")),
    ("MQTT-4.8.2-2 wildcard in the name", 5, FILTER, subscribe(b"$share/+/a")),
    ("MQTT-4.8.2-2 no filter", 5, FILTER, subscribe(b"$share/g")),
    ("MQTT-4.8.2-2 empty filter", 5, FILTER, subscribe(b"$share/g/")),
    ("3.8.2.1.2 identifier 0", 5, PROTOCOL, b"\x82\x09\0\1\2\x0b\0\0\1a\0"),
    ("3.8.2.1.2 two identifiers", 5, PROTOCOL, b"\x82\x0b\0\1\4\x0b\1\x0b\2\0\1a\0"),
    ("MQTT-4.7.3-1 empty filter", 5, FILTER, subscribe(b"")),
    ("MQTT-4.7.1-1 # not last", 5, FILTER, subscribe(b"a/#/b")),
    ("MQTT-4.7.1-1 # not alone", 5, FILTER, subscribe(b"a#")),
    ("MQTT-4.7.1-3 + not alone", 4, FILTER, subscribe(b"a+/b", version=4)),
    ("MQTT-3.10.3-1", 4, MALFORMED, b"\xa2\5\0\1\0\1\xff"),
    ("MQTT-3.10.3-2 v4", 4, PROTOCOL, b"\xa2\2\0\1"),
    ("MQTT-3.10.3-2 v5", 5, PROTOCOL, b"\xa2\3\0\1\0"),
    ("3.12.2 PINGREQ with a body", 4, MALFORMED, b"\xc0\1\0"),
    ("3.14.2 DISCONNECT of 3.1.1 with a body", 4, MALFORMED, b"\xe0\1\0"),
    ("MQTT-3.14.2-1 a server's code", 5, PROTOCOL, b"\xe0\1\x8e"),
    ("MQTT-3.15.2-1 a server's code", 5, PROTOCOL, b"\xf0\0"),
    ("3.15.2.2.2 no method", 5, PROTOCOL, b"\xf0\1\x18"),
    *[
        (f"2.1.2 {name} is a server's", 5, PROTOCOL, raw)
        for name, raw in [
            ("CONNACK", b"\x20\3\0\0\0"),
            ("SUBACK", b"\x90\4\0\1\0\0"),
            ("UNSUBACK", b"\xb0\4\0\1\0\0"),
            ("PINGRESP", b"\xd0\0"),
        ]
    ],
]

SERVER = [
    ("MQTT-3.2.2-1", 4, MALFORMED, b"\x20\2\2\0"),
    ("MQTT-3.2.2-4", 4, PROTOCOL, b"\x20\2\1\5"),
    ("MQTT-3.2.2-6", 5, PROTOCOL, b"\x20\3\1\x87\0"),
    ("MQTT-3.2.2-8", 5, PROTOCOL, b"\x20\3\0\x8e\0"),
    ("3.2.2.3 return code 6", 4, PROTOCOL, b"\x20\2\0\6"),
    ("3.2.2 more than the code", 4, MALFORMED, b"\x20\3\0\0\0"),
    ("MQTT-3.9.3-2 v4", 4, PROTOCOL, b"\x90\3\0\1\3"),
    ("MQTT-3.9.3-2 v5", 5, PROTOCOL, b"\x90\4\0\1\0\3"),
    ("MQTT-3.8.4-6 no code", 5, PROTOCOL, b"\x90\3\0\1\0"),
    ("MQTT-3.11.3-2", 5, PROTOCOL, b"\xb0\4\0\1\0\1"),
    ("3.11.3 UNSUBACK of 3.1.1 with a payload", 4, MALFORMED, b"\xb0\3\0\1\0"),
    ("3.13.2 PINGRESP with a body", 4, MALFORMED, b"\xd0\1\0"),
    ("MQTT-3.14.2-1 a client's code", 5, PROTOCOL, b"\xe0\1\4"),
    ("MQTT-3.14.2-2", 5, PROTOCOL, b"\xe0\7\0\5\x11\0\0\0\0"),
    ("3.14 DISCONNECT of 3.1.1 is a client's", 4, PROTOCOL, b"\xe0\0"),
    ("MQTT-3.15.2-1 a client's code", 5, PROTOCOL, b"\xf0\6\x19\4\x15\0\1m"),
    ("2.1.2 SUBSCRIBE is a client's", 5, PROTOCOL, subscribe(b"a")),
    ("2.1.2 PINGREQ is a client's", 4, PROTOCOL, b"\xc0\0"),
]

CASES = [(clause, C, UNKNOWN_VERSION, code, raw) for clause, code, raw in CONNECTS]
CASES += [(clause, C, version, code, raw) for clause, version, code, raw in CLIENT]
CASES += [(clause, S, version, code, raw) for clause, version, code, raw in SERVER]


@pytest.mark.parametrize(
    ("sender", "version", "code", "raw"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_what_breaks_a_clause_is_refused(sender, version, code, raw):
    """The packet is refused with the reason code of the standard, also when another packet
    follows.
    """
    for after in (b"", b"\xc0\0" * 8):
        with pytest.raises(ProtocolError) as refused:
            decode(raw + after, 0, version, 1000, sender)
        assert refused.value.reason_code == code


@pytest.mark.parametrize(
    "raw", [connect(5, 2, b"\0\0\0"), publish(b"\x23\0\1\1\1\x08\0\1a"), subscribe(b"$share/g/a")]
)
def test_the_packets_that_the_cases_are_made_from_are_good(raw):
    """Each case fails for its one fault, not for how it is built."""
    version = UNKNOWN_VERSION if raw[0] == 0x10 else 5
    assert decode(raw, 0, version, 1000)[1] == len(raw)


@pytest.mark.parametrize("pairs", [(("", ""),) * 101, (("k", "v" * 4_096),) * 2])
def test_user_properties_are_bounded(pairs):
    """They are memory for each subscriber, far more than their bytes; beyond the bound reading
    stops.
    """
    fits = (("k", "v"),) * 100
    packet = Publish("t", properties=Properties(user_property=fits))
    assert decode(encode(packet, 5), 0, 5, 1 << 20)[0] == packet
    data = encode(Publish("t", properties=Properties(user_property=pairs)), 5)
    with pytest.raises(TooManyProperties) as refused:
        decode(data, 0, 5, 1 << 20)
    assert refused.value.reason_code == 0x97
