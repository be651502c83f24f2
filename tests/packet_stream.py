"""Packets out of a stream that is cut anywhere: what a client, or a test of the codec, has for a
socket's reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.broker.embedded.codec.decode import UNKNOWN_VERSION, Sender, decode
from gateway.broker.embedded.codec.packets import Connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.broker.embedded.codec.packets import Packet


class Decoder:
    """Packets of one side, in a version that is known from the start or else follows from the
    CONNECT.

    `pending`: the bytes of the packet that is not complete yet. After a `ProtocolError` the stream
    is over.
    """

    def __init__(
        self, max_size: int, *, sender: Sender = Sender.CLIENT, version: int = UNKNOWN_VERSION
    ) -> None:
        self.max_size = max_size
        self.sender = sender
        self.version = version
        self.pending = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets that `data` completes, up to the place where the stream breaks the
        protocol.
        """
        data = self.pending + data
        self.pending, position = b"", 0
        while position < len(data) and (
            found := decode(data, position, self.version, self.max_size, self.sender)
        ):
            packet, position = found
            if isinstance(packet, Connect):
                self.version = packet.protocol_level
            yield packet
        self.pending = data[position:]
