"""A client's connection, as commands and presence see it, and the two ways of writing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import WSMsgType

from gateway.bridges.edge.sockets import BACKLOG, framed
from gateway.bridges.edge.values import name_of
from gateway.bridges.iotio import handshake, packets, text
from gateway.errors import Conflict, Invalid
from gateway.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.bridges.edge.sockets import Socket
    from gateway.bridges.iotio.endpoints import Endpoint
    from gateway.bridges.iotio.packets import Packet
    from gateway.broker.port import Done, Sent
    from gateway.commands import AnswerTo, Command
    from gateway.errors import GatewayError


class Dialect(NamedTuple):
    """A version of the protocol: the kind of its messages, and how packets are read and written.

    `bare`: errors are told once more, as the bare word.
    """

    kind: WSMsgType
    decode: Callable[[Any], Packet]
    encode: Callable[[str, str], str | bytes]
    bare: bool = False


V1 = Dialect(WSMsgType.BINARY, packets.decode, packets.encode)
PYPI = V1._replace(
    bare=True
)  # iot.io-client looks the word up as it comes, and without it reconnects for ever
V0_2 = Dialect(WSMsgType.TEXT, text.decode, text.encode)


def spoken(headers: Mapping[str, str]) -> Dialect:
    """Return the dialect of the client that sends a request with these headers."""
    if not handshake.in_headers(headers):
        return V0_2
    return PYPI if handshake.by_library(headers) else V1


class IotIoLink:
    """A client that is signed in. `endpoints`: what it says it can be sent; None where it does not
    say.
    """

    protocol = "iotio"

    def __init__(
        self, device: str, dialect: Dialect, socket: Socket, endpoints: dict[str, Endpoint] | None
    ) -> None:
        self.device = device
        self.dialect = dialect
        self.socket = socket
        self.endpoints = endpoints
        self.complained = False  # a packet of it was wrong, and the log tells so

    @property
    def address(self) -> str:
        return self.socket.address

    def deliver(self, command: Command, delivered: Done) -> Sent | None:
        """Send a command as the event of its name; raises `Invalid` where no packet can hold it."""
        if not self.socket.open or self.socket.backlog() > BACKLOG:
            return None
        event = self.dialect.encode(name_of(command.name), command.value)
        self.socket.write_registered(framed(event), delivered)
        return "acknowledged"  # by the receipt: the client's WebSocket has read the event

    def answer(self, command: Command, answer_to: AnswerTo) -> bool:
        """Such a device sends no commands that could be answered."""
        return False

    def complain(self, word: str, info: dict[str, Any] | None = None) -> None:
        """Tell the client what is wrong."""
        complain(self.socket, self.dialect, word, info)

    def close(self, error: GatewayError) -> None:
        self.socket.end(error)

    def taken_over(self) -> None:
        """Close, since the client has a newer connection."""
        self.socket.end(Conflict("the client has connected anew"), "taken_over")


def complain(
    socket: Socket, dialect: Dialect, word: str, info: dict[str, Any] | None = None
) -> None:
    """Send the `error` event: `{"error": word, "info": ...}`."""
    socket.write(framed(dialect.encode("error", to_json({"error": word, "info": info}))))
    if dialect.bare:
        socket.write(framed(dialect.encode("error", to_json(word))))


def read(dialect: Dialect, kind: WSMsgType, data: Any) -> Packet:
    """Return the packet of a WebSocket message; raises `Invalid`."""
    if kind is not dialect.kind:
        raise Invalid(f"packets of this version are {dialect.kind.name.lower()} messages")
    return dialect.decode(data)
