"""What a handler sees: its device type, the device, and the gateway."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from gateway.errors import GatewayError
from gateway.frames import to_json

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from gateway.commands import Commands
    from gateway.presence import Presence

T = TypeVar("T")
log = logging.getLogger(__name__)


class DeviceType:
    """What all devices of one type have in common: subclass it, say which `type`, and write the
    methods you need.

    `on_connect(device)`, `on_disconnect(device)`, `on_<channel>(value, device)` and, for channels
    without a method of their own, `on_frame(frame, device)`; `async def`, or `def` to run in a
    thread. What a method returns is sent to the device: `(name, value)` as that command, any other
    value as a command named as the channel, None not at all. There is one object of each type;
    `gateway` is there from its first event on.
    """

    type: str = ""
    gateway: Gateway


class Described(Protocol):
    """What is known of a device."""

    @property
    def type(self) -> str: ...

    @property
    def name(self) -> str: ...


class Rooms:
    """Which devices are in which room. A room exists while somebody is in it."""

    def __init__(self) -> None:
        self._members: dict[str, dict[str, None]] = {}
        self._of: dict[str, set[str]] = {}

    def join(self, device: str, room: str) -> None:
        self._members.setdefault(room, {})[device] = None
        self._of.setdefault(device, set()).add(room)

    def leave(self, device: str, room: str) -> None:
        members, rooms = self._members.get(room, {}), self._of.get(device, set())
        members.pop(device, None)
        rooms.discard(room)
        if not members:
            self._members.pop(room, None)
        if not rooms:
            self._of.pop(device, None)

    def leave_all(self, device: str) -> None:
        for room in self.of(device):
            self.leave(device, room)

    def members(self, room: str) -> list[str]:
        return list(self._members.get(room, ()))

    def close(self, room: str) -> None:
        for device in self.members(room):
            self.leave(device, room)

    def of(self, device: str) -> frozenset[str]:
        return frozenset(self._of.get(device, ()))


class Core(msgspec.Struct, frozen=True):
    """What handlers work on; all of it belongs to the event loop's thread."""

    loop: asyncio.AbstractEventLoop
    thread: int
    commands: Commands
    presence: Presence
    describe: Callable[[str], Described | None]
    rooms: Rooms

    def call(self, work: Callable[[], T]) -> T:
        """Run `work` on the event loop's thread, whichever this one is, and return what it returns."""
        if threading.get_ident() == self.thread:
            return work()
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> None:
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return future.result()


class Gateway:
    """The gateway, as the handlers of one type see it. Every method may be called from a `def`
    handler, too.
    """

    def __init__(self, core: Core, type_: str) -> None:
        self._core = core
        self._sender = f"handler:{type_}"

    def device(self, device: str) -> Device:
        """Return a device by its id."""
        return Device(device, self, self._core)

    def emit(
        self,
        name: str,
        value: Any = None,
        *,
        device: str | None = None,
        room: str | None = None,
        type: str | None = None,
    ) -> int:
        """Send a command to one device, or to all online in a room, of a type, or both; return to
        how many.

        Raises `GatewayError` where `device` cannot be sent to; in a room such a one is logged and
        passed over.
        """
        if device is not None:
            self.send(device, name, value)
            return 1
        if room is None and type is None:
            raise ValueError("emit needs a device, a room or a type")
        text = to_json(value)
        return self._core.call(
            lambda: sum(self._reached(one, name, text) for one in self._audience(room, type))
        )

    def _audience(self, room: str | None, type_: str | None) -> Iterable[str]:
        core = self._core
        members = core.rooms.members(room) if room is not None else list(core.presence.online())
        for device in members:
            described = core.describe(device)
            if (
                described is not None
                and core.presence.is_online(device)
                and type_ in {None, described.type}
            ):
                yield device

    def _reached(self, device: str, name: str, text: str) -> bool:
        try:
            self._core.commands.submit(device, name, text, sender=self._sender)
        except GatewayError as error:
            log.warning("%s: %s for %s is not sent: %s", self._sender, name, device, error)
            return False
        return True

    def close_room(self, room: str) -> None:
        """Let all devices leave a room."""
        self._core.call(lambda: self._core.rooms.close(room))

    def send(self, device: str, name: str, value: Any = None) -> None:
        """Send a command, without waiting; raises `GatewayError`, or `TypeError` where the value is
        not JSON's.
        """
        text = to_json(value)
        self._core.call(lambda: self._core.commands.submit(device, name, text, sender=self._sender))

    async def request(self, device: str, name: str, value: Any, seconds: float) -> Any:
        """Send a command and return its reply; raises `NoReply` when the time is over. For `async
        def` handlers.
        """
        commands = self._core.commands
        command = await commands.send(
            device, name, to_json(value), sender=self._sender, ttl=seconds
        )
        return msgspec.json.decode(await commands.wait(command.id, seconds))


class Device:
    """A device, as handlers see it. Two of the same id are equal."""

    __slots__ = ("_core", "_gateway", "id")

    def __init__(self, device: str, gateway: Gateway, core: Core) -> None:
        self.id = device
        self._gateway = gateway
        self._core = core

    @property
    def type(self) -> str:
        """Its type now; nothing, for one that was removed."""
        described = self._core.describe(self.id)
        return described.type if described is not None else ""

    @property
    def name(self) -> str:
        """The name that people gave it."""
        described = self._core.describe(self.id)
        return described.name if described is not None else ""

    @property
    def online(self) -> bool:
        """Whether it is connected now."""
        return self._core.presence.is_online(self.id)

    @property
    def rooms(self) -> frozenset[str]:
        """The rooms it is in."""
        return self._core.call(lambda: self._core.rooms.of(self.id))

    def join(self, room: str) -> None:
        """Put it into a room, until it leaves or disconnects."""
        self._core.call(lambda: self._core.rooms.join(self.id, room))

    def leave(self, room: str) -> None:
        """Take it out of a room."""
        self._core.call(lambda: self._core.rooms.leave(self.id, room))

    def send(self, name: str, value: Any = None) -> None:
        """Send it a command, without waiting; one that is offline gets it when it returns."""
        self._gateway.send(self.id, name, value)

    async def request(self, name: str, value: Any = None, timeout: float = 10.0) -> Any:  # noqa: ASYNC109  # the contract's name
        """Send it a command and return its reply; raises `NoReply` after `timeout` seconds."""
        return await self._gateway.request(self.id, name, value, timeout)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Device({self.id!r})"
