"""Reason codes and the return codes of 3.1.1 for them."""

from __future__ import annotations

import pytest

from gateway.broker.embedded.codec import reasons
from gateway.broker.embedded.codec.reasons import ReasonCode, connect_return_code
from gateway.errors import ProtocolError


@pytest.mark.parametrize(
    ("code", "answer"),
    [(0x00, 0), (0x84, 1), (0x85, 2), (0x88, 3), (0x89, 3), (0x86, 4), (0x87, 5), (0x8A, 5)],
)
def test_a_reason_has_its_return_code(code, answer):
    """Table 3.1 of 3.1.1."""
    assert connect_return_code(code) == answer


@pytest.mark.parametrize("code", [ReasonCode.MALFORMED_PACKET, ReasonCode.PACKET_TOO_LARGE, 0xFF])
def test_a_reason_without_a_return_code_has_none(code):
    """If none of the return codes applies, the connection is closed without a CONNACK
    [MQTT-3.2.2-6].
    """
    assert connect_return_code(code) is None


def test_the_codes_of_a_packet_are_codes_of_the_standard():
    """Every set holds only members of `ReasonCode`."""
    sets = [
        getattr(reasons, name)
        for name in dir(reasons)
        if name.endswith("_CODES") and name[0] != "_"
    ]
    assert len(sets) == 13
    known = {*ReasonCode, *reasons.ConnectReturnCode}
    assert all(codes <= known for codes in sets)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (reasons.MalformedPacket, 0x81),
        (reasons.UnsupportedProtocolVersion, 0x84),
        (reasons.TopicFilterInvalid, 0x8F),
        (reasons.TopicNameInvalid, 0x90),
        (reasons.TopicAliasInvalid, 0x94),
        (reasons.PacketTooLarge, 0x95),
    ],
)
def test_each_error_carries_its_code(error, code):
    """All of them are protocol errors of the one tree."""
    made = error("why")
    assert isinstance(made, ProtocolError)
    assert (made.reason_code, str(made)) == (code, "why")
