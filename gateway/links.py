"""Links: live connections of devices, whatever the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.broker.port import Done, Sent
    from gateway.errors import GatewayError
    from gateway.store.commands import AnswerTo, Command


class Link(Protocol):
    """One live connection of a device. A bridge makes it and tells `Presence` when it begins and
    ends.

    """

    @property
    def device(self) -> str: ...

    @property
    def protocol(self) -> str:
        """Which bridge it belongs to: `mqtt`, `iotio`, ..."""

    @property
    def address(self) -> str:
        """The peer's IP address, or nothing where it is not known."""

    def deliver(self, command: Command, delivered: Done) -> Sent | None:
        """Send now, at most once; tell how it left.

        "acknowledged": `delivered` runs when the device has acknowledged; never, if the link ends
        first. "unacknowledged": nobody will tell, as behind another broker or with QoS 0; the
        command stays `sent` until it is answered, and is not sent again. None: not now (the device
        does not listen to this name, or has not room). Raises `GatewayError` where it can never be
        sent.
        """

    def answer(self, command: Command, answer_to: AnswerTo) -> bool:
        """Pass on the reply to a command that this device has sent; tell whether it left."""

    def close(self, error: GatewayError) -> None:
        """Cut the connection off."""


Reach: TypeAlias = "Callable[[str], Sequence[Link]]"
"""The links of a device, the newest first."""
