"""A message on its way to subscribers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.embedded.codec.decode import Sender, decode
from gateway.broker.embedded.codec.packets import Publish
from gateway.broker.embedded.core.outgoing import Outgoing


@given(st.integers(0, 0xFFFFFFFF), st.floats(-1e10, 1e10))
def test_what_is_left_of_an_expiry_fits_whatever_the_clock_does(expiry: int, jump: float) -> None:
    """A clock that is set back leaves the longest expiry, one that is set forward none."""
    outgoing = Outgoing(b"t", b"", None, 1e9 + expiry)
    packet = outgoing.packet(True, 0x30, b"", (), 1e9 + jump)
    found = decode(packet, 0, 5, 1 << 20, Sender.SERVER)
    assert found is not None
    assert isinstance(found[0], Publish)
    left = found[0].properties.message_expiry_interval
    assert left is not None
    assert abs(left - min(max(0, expiry - jump), 0xFFFFFFFF)) <= 1
