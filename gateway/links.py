"""Links: live connections of devices, whatever the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gateway.broker.port import Done
    from gateway.errors import GatewayError
    from gateway.store.commands import Command


class Link(Protocol):
    """One live connection of a device. A bridge makes it and tells `Presence` when it begins and
    ends.

    `acknowledges`: the device itself tells that it got the command that was delivered last. Where
    another broker stands in between, or the device subscribes with QoS 0, it does not: the command
    stays `sent` until it is answered, and is not sent again.
    """

    @property
    def device(self) -> str: ...

    @property
    def protocol(self) -> str:
        """Which bridge it belongs to: `mqtt`, `iotio`, ..."""

    @property
    def address(self) -> str:
        """The peer's IP address, or nothing where it is not known."""

    @property
    def acknowledges(self) -> bool: ...

    def deliver(self, command: Command, delivered: Done) -> bool:
        """Send now, at most once; tell whether it left.

        `delivered` runs when the device has acknowledged; never, if the link ends first. False: not
        now (the device does not listen to this name, or has not room). Raises `GatewayError` where
        it can never be sent.
        """

    def close(self, error: GatewayError) -> None:
        """Cut the connection off."""
