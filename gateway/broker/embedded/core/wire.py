"""What the machine asks of its shell: to write, to read on, and to close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gateway.broker.port import Departure


class Sink(Protocol):
    """Where the bytes go: an asyncio transport has these two methods."""

    def write(self, data: bytes) -> object: ...
    def get_write_buffer_size(self) -> int: ...


class Wire(Protocol):
    """What the shell does for a client."""

    @property
    def sink(self) -> Sink:
        """Where packets are written."""

    def let_in(self) -> None:
        """The client is no stranger any more: read on."""

    def over(self, departure: Departure, *, hang_up: bool) -> None:
        """The connection has ended: write what is left, close, and call `Client.lost` then.

        `hang_up`: the client may still be sending; it gets its last packet only if our direction is
        closed first.
        """

    def abort(self) -> None:
        """Close at once, whatever is not written yet."""
