"""A client's connection, as commands and presence see it, and the two ways of writing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import WSMsgType

from bridges.iotio import packets, text
from bridges.sockets import BACKLOG, framed
from bridges.values import name_of
from gateway.errors import Conflict, Invalid
from gateway.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridges.iotio.endpoints import Endpoint
    from bridges.iotio.packets import Packet
    from bridges.sockets import Socket
    from gateway.broker.port import Done
    from gateway.commands import Command
    from gateway.errors import GatewayError


class Dialect(NamedTuple):
    """A version of the protocol: the kind of its messages, and how packets are read and written."""

    kind: WSMsgType
    decode: Callable[[Any], Packet]
    encode: Callable[[str, str], str | bytes]


V1 = Dialect(WSMsgType.BINARY, packets.decode, packets.encode)
V0_2 = Dialect(WSMsgType.TEXT, text.decode, text.encode)


class IotIoLink:
    """A client that is signed in. `endpoints`: what it says it can be sent; None where it does not say."""

    protocol = "iotio"
    acknowledges = True  # by the receipt: the client's WebSocket has read the event

    def __init__(self, device: str, dialect: Dialect, socket: Socket, endpoints: dict[str, Endpoint] | None) -> None:
        self.device = device
        self.dialect = dialect
        self.socket = socket
        self.endpoints = endpoints

    @property
    def address(self) -> str:
        return self.socket.address

    def deliver(self, command: Command, delivered: Done) -> bool:
        """Send a command as the event of its name; raises `Invalid` where no packet can hold it."""
        if not self.socket.open or self.socket.backlog() > BACKLOG:
            return False
        event = self.dialect.encode(name_of(command.name), command.value)
        self.socket.write_registered(framed(event), delivered)
        return True

    def complain(self, word: str, info: dict[str, Any] | None = None) -> None:
        """Tell the client what is wrong."""
        complain(self.socket, self.dialect, word, info)

    def close(self, error: GatewayError) -> None:
        self.socket.end(error)

    def taken_over(self) -> None:
        """Close, since the client has a newer connection."""
        self.socket.end(Conflict("the client has connected anew"), "taken_over")


def complain(socket: Socket, dialect: Dialect, word: str, info: dict[str, Any] | None = None) -> None:
    """Send the `error` event: `{"error": word, "info": ...}`.

    Their client of version 1 expects the bare word, and without it reconnects for ever: it gets that as a second one.
    """
    socket.write(framed(dialect.encode("error", to_json({"error": word, "info": info}))))
    if dialect is V1:
        socket.write(framed(dialect.encode("error", to_json(word))))


def read(dialect: Dialect, kind: WSMsgType, data: Any) -> Packet:
    """Return the packet of a WebSocket message; raises `Invalid`."""
    if kind is not dialect.kind:
        raise Invalid(f"packets of this version are {dialect.kind.name.lower()} messages")
    return dialect.decode(data)
