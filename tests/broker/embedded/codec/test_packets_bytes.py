"""Packets as the standard lays them out, written by hand, read and written."""

from __future__ import annotations

import pytest

from gateway.broker.embedded.codec.decode import UNKNOWN_VERSION, Sender, decode
from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
)

C, S = Sender.CLIENT, Sender.SERVER

CONNECTS = [
    ("3.1", b"\x10\x10\0\6MQIsdp\3\2\0\x3c\0\2me", Connect("me", 3, True, 60)),
    ("3.1.1", b"\x10\x0c\0\4MQTT\4\2\0\x3c\0\0", Connect("", 4, True, 60)),
    (
        # 3.1.1, figure 3.6: all flags but QoS 2
        "3.1.1 with everything",
        b"\x10\x21\0\4MQTT\4\xee\0\x0a\0\2me\0\1w\0\3off\0\4user\0\3\0\xff\1",
        Connect("me", 4, True, 10, "user", b"\0\xff\1", Will("w", b"off", 1, True)),
    ),
    (
        # MQTT 5, figure 3-6: a session expiry interval of 10 seconds
        "5",
        b"\x10\x12\0\4MQTT\5\0\0\x0a\x05\x11\0\0\0\x0a\0\0",
        Connect("", 5, False, 10, properties=Properties(session_expiry_interval=10)),
    ),
    (
        "5 with a will and its properties",
        b"\x10\x1e\0\4MQTT\5\x16\0\0\0\0\1c\5\x18\0\0\0\5\0\3w/x\0\3off",
        Connect("c", 5, will=Will("w/x", b"off", 2, False, Properties(will_delay_interval=5))),
    ),
    (
        "5 with a password alone",
        b"\x10\x10\0\4MQTT\5\x42\0\0\0\0\0\0\1p",
        Connect("", 5, password=b"p"),
    ),
]


@pytest.mark.parametrize(
    ("raw", "packet"), [case[1:] for case in CONNECTS], ids=[case[0] for case in CONNECTS]
)
def test_a_connect(raw, packet):
    """CONNECT of all three versions."""
    assert decode(raw, 0, UNKNOWN_VERSION, 1000) == (packet, len(raw))
    assert encode(packet, packet.protocol_level) == raw


PACKETS = [
    ("CONNACK 3.1.1", S, 4, b"\x20\2\1\0", Connack(True)),
    ("CONNACK 3.1.1 refused", S, 4, b"\x20\2\0\5", Connack(False, 5)),
    ("CONNACK 5", S, 5, b"\x20\3\0\0\0", Connack()),
    (
        "CONNACK 5 refused",
        S,
        5,
        b"\x20\6\0\x87\3\x13\0\x3c",
        Connack(False, 0x87, Properties(server_keep_alive=60)),
    ),
    # figure 3.11 of 3.1.1 and 3-9 of MQTT 5: topic a/b, packet id 10
    ("PUBLISH 3.1.1 QoS 0", C, 4, b"\x30\x08\0\3a/b1.5", Publish("a/b", b"1.5")),
    (
        "PUBLISH 3.1 QoS 1",
        C,
        3,
        b"\x3b\x0a\0\3a/b\0\x0a1.5",
        Publish("a/b", b"1.5", 1, True, True, 10),
    ),
    ("PUBLISH 5 QoS 0", C, 5, b"\x31\x06\0\3a/b\0", Publish("a/b", retain=True)),
    (
        "PUBLISH 5 by alias",
        C,
        5,
        b"\x34\x0b\0\0\0\x0a\3\x23\0\1abc",
        Publish("", b"abc", 2, packet_id=10, properties=Properties(topic_alias=1)),
    ),
    (
        "PUBLISH 5 to two subscriptions",
        S,
        5,
        b"\x30\x0c\0\1a\5\x0b\1\x0b\x80\1abc",
        Publish("a", b"abc", properties=Properties(subscription_identifier=(1, 128))),
    ),
    ("PUBACK 3.1.1", C, 4, b"\x40\2\0\x0a", Puback(10)),
    ("PUBACK 5 with a code", C, 5, b"\x40\3\0\x0a\x10", Puback(10, 0x10)),
    (
        "PUBACK 5 with a reason",
        C,
        5,
        b"\x40\x0a\0\x0a\x80\6\x1f\0\3bad",
        Puback(10, 0x80, Properties(reason_string="bad")),
    ),
    ("PUBREC", C, 4, b"\x50\2\1\2", Pubrec(258)),
    ("PUBREC 5 with a code", S, 5, b"\x50\3\1\2\x97", Pubrec(258, 0x97)),
    ("PUBREL", C, 4, b"\x62\2\1\2", Pubrel(258)),
    ("PUBREL 5 with a code", C, 5, b"\x62\3\1\2\x92", Pubrel(258, 0x92)),
    ("PUBCOMP", S, 4, b"\x70\2\1\2", Pubcomp(258)),
    (
        # figure 3.23 of 3.1.1: a/b with QoS 1 and c/d with QoS 2
        "SUBSCRIBE 3.1.1",
        C,
        4,
        b"\x82\x0e\0\x0a\0\3a/b\1\0\3c/d\2",
        Subscribe(10, (Subscription("a/b", 1), Subscription("c/d", 2))),
    ),
    (
        "SUBSCRIBE 5",
        C,
        5,
        b"\x82\x0c\0\x0a\3\x0b\xff\x7f\0\3a/#\x2d",
        Subscribe(
            10,
            (Subscription("a/#", 1, True, True, 2),),
            Properties(subscription_identifier=(16383,)),
        ),
    ),
    (
        "SUBSCRIBE 5 shared",
        C,
        5,
        b"\x82\x10\0\x0a\0\0\x0a$share/g/+\x02",
        Subscribe(10, (Subscription("$share/g/+", 2),)),
    ),
    ("SUBACK 3.1.1", S, 4, b"\x90\5\0\x0a\0\2\x80", Suback(10, (0, 2, 0x80))),
    ("SUBACK 5", S, 5, b"\x90\5\0\x0a\0\2\x87", Suback(10, (2, 0x87))),
    ("UNSUBSCRIBE 3.1.1", C, 4, b"\xa2\x0c\0\x0a\0\3a/b\0\3c/d", Unsubscribe(10, ("a/b", "c/d"))),
    (
        "UNSUBSCRIBE 5",
        C,
        5,
        b"\xa2\x0f\0\x0a\7\x26\0\1k\0\1v\0\3a/b",
        Unsubscribe(10, ("a/b",), Properties(user_property=(("k", "v"),))),
    ),
    ("UNSUBACK 3.1.1", S, 4, b"\xb0\2\0\x0a", Unsuback(10)),
    ("UNSUBACK 5", S, 5, b"\xb0\5\0\x0a\0\0\x11", Unsuback(10, (0, 0x11))),
    ("PINGREQ", C, 4, b"\xc0\0", Pingreq()),
    ("PINGRESP", S, 5, b"\xd0\0", Pingresp()),
    ("DISCONNECT 3.1.1", C, 4, b"\xe0\0", Disconnect()),
    ("DISCONNECT 5 short", C, 5, b"\xe0\0", Disconnect()),
    ("DISCONNECT 5 with the will", C, 5, b"\xe0\1\4", Disconnect(4)),
    (
        # MQTT 5, figure 3-24
        "DISCONNECT 5",
        C,
        5,
        b"\xe0\7\0\5\x11\0\0\0\0",
        Disconnect(0, Properties(session_expiry_interval=0)),
    ),
    ("DISCONNECT 5 from the server", S, 5, b"\xe0\1\x8e", Disconnect(0x8E)),
    ("AUTH", C, 5, b"\xf0\6\x18\4\x15\0\1m", Auth(0x18, Properties(authentication_method="m"))),
    ("AUTH success", S, 5, b"\xf0\0", Auth()),
]


@pytest.mark.parametrize(
    ("sender", "version", "raw", "packet"),
    [case[1:] for case in PACKETS],
    ids=[case[0] for case in PACKETS],
)
def test_a_packet(sender, version, raw, packet):
    """Every other packet in the versions that lay it out differently."""
    assert decode(raw, 0, version, 1000, sender) == (packet, len(raw))
    assert encode(packet, version) == raw


@pytest.mark.parametrize(
    ("version", "sender", "raw", "packet"),
    [
        # 3.4.2.1: code and property length may be there though they say nothing.
        (5, C, b"\x40\3\0\x0a\0", Puback(10)),
        (5, C, b"\x40\4\0\x0a\0\0", Puback(10)),
        (5, C, b"\xe0\2\0\0", Disconnect()),
        # 2.1.4: only MQTT 5 wants the shortest remaining length.
        (4, C, b"\xc0\x80\0", Pingreq()),
        # MQTT 3.1 marks repeated requests with DUP.
        (3, C, b"\x6a\2\0\1", Pubrel(1)),
        (3, C, b"\x8a\6\0\1\0\1a\0", Subscribe(1, (Subscription("a"),))),
        (3, C, b"\xaa\5\0\1\0\1a", Unsubscribe(1, ("a",))),
        # [MQTT-1.5.4-3]: a byte order mark is text like any other.
        (4, C, b"\x30\5\0\3\xef\xbb\xbf", Publish("\ufeff")),
    ],
)
def test_another_layout_of_the_same_packet(version, sender, raw, packet):
    """Layouts that are never written but must be read."""
    assert decode(raw, 0, version, 1000, sender) == (packet, len(raw))


def test_a_3_1_connect_may_lack_the_user_name_it_announces():
    """MQTT 3.1: the remaining length takes precedence over the user name and password flags."""
    raw = b"\x10\x10\0\6MQIsdp\3\xc2\0\x3c\0\2me"
    assert decode(raw, 0, UNKNOWN_VERSION, 1000) == (Connect("me", 3, True, 60), len(raw))
