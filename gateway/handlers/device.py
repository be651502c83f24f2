"""What a handler sees: its device type, the device, and the gateway's devices together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from gateway.handlers.context import json_of

if TYPE_CHECKING:
    from gateway.handlers.context import Context

ANY = "*"


class DeviceType:
    """What all devices of one type have in common: subclass it, say which `type`, and write the
    methods you need. The type `*` is for devices of every type, beside their own.

    `on_connect(device)`, `on_disconnect(device)`, `on_<channel>(value, device)` and, for channels
    without a method of their own, `on_frame(frame, device)`; `on_update(name, value, device)` when
    somebody else gives the device a command. `async def`, or `def` to run in a thread. What a
    method returns is sent to the device: `(name, value)` as that command, any other value as a
    command named as the channel, None not at all. There is one object of each type; `gateway` is
    there from its first event on.

    `ttl`: seconds that what it sends waits for a device that is away; 0: now or never; None: a day.
    """

    type: str = ""
    ttl: ClassVar[float | None] = None
    gateway: Fleet


class Fleet:
    """The gateway's devices, as the handlers of one type see them: `self.gateway`. Every method may
    also be called from a `def` handler.
    """

    def __init__(self, context: Context, type_: str, ttl: float | None = None) -> None:
        self._context = context
        self._sender = f"handler:{type_}"
        self._ttl = ttl

    def device(self, device: str) -> Device:
        """Return a device by its id."""
        return Device(device, self, self._context)

    def devices(self, *, room: str | None = None, type: str | None = None) -> list[Device]:
        """Return the devices that are online: all, those in a room, of a type, or both."""
        context = self._context
        return [
            self.device(each) for each in context.call(lambda: list(context.online(room, type)))
        ]

    def emit(
        self,
        name: str,
        value: Any = None,
        *,
        device: str | None = None,
        room: str | None = None,
        type: str | None = None,
        ttl: float | None = None,
    ) -> int:
        """Send a command to one device, or to all online in a room, of a type, or both; return to
        how many.

        Raises `GatewayError` where `device` cannot be sent to; in a room such a one is logged and
        passed over.
        """
        if device is not None:
            return int(self.send(device, name, value, ttl=ttl))
        if room is None and type is None:
            raise ValueError("emit needs a device, a room or a type")
        text, ttl, context = json_of(value), self._lifetime(ttl), self._context
        return context.call(
            lambda: sum(
                context.tell(one, name, text, self._sender, ttl)
                for one in context.online(room, type)
            )
        )

    def close_room(self, room: str) -> None:
        """Let all devices leave a room."""
        self._context.call(lambda: self._context.rooms.close(room))

    def send(self, device: str, name: str, value: Any = None, *, ttl: float | None = None) -> bool:
        """Send a command, without waiting; raises `GatewayError`, or `TypeError` where the value is
        not JSON's.

        `ttl`: seconds that it waits for a device that is away; 0: now or never. Return whether it
        is on its way.
        """
        text, ttl, context = json_of(value), self._lifetime(ttl), self._context
        return context.call(lambda: context.send(device, name, text, self._sender, ttl))

    def _lifetime(self, ttl: float | None) -> float | None:
        return self._ttl if ttl is None else ttl

    async def request(self, device: str, name: str, value: Any = None, *, seconds: float) -> Any:
        """Send a command and return its reply; raises `NoReply` when the time is over. For `async
        def` handlers.
        """
        commands = self._context.commands
        command = await commands.send(
            device, name, json_of(value), sender=self._sender, ttl=seconds
        )
        return msgspec.json.decode(await commands.wait(command.id, seconds))


class Device:
    """A device, as handlers see it. Two of the same id are equal."""

    __slots__ = ("_context", "_fleet", "id")

    def __init__(self, device: str, fleet: Fleet, context: Context) -> None:
        self.id = device
        self._fleet = fleet
        self._context = context

    @property
    def type(self) -> str:
        """Its type now; nothing, for one that was removed."""
        described = self._context.describe(self.id)
        return described.type if described is not None else ""

    @property
    def name(self) -> str:
        """The name that people gave it."""
        described = self._context.describe(self.id)
        return described.name if described is not None else ""

    @property
    def online(self) -> bool:
        """Whether it is connected now."""
        return self._context.presence.is_online(self.id)

    @property
    def rooms(self) -> frozenset[str]:
        """The rooms it is in."""
        return self._context.call(lambda: self._context.rooms.of(self.id))

    @property
    def data(self) -> Any:
        """What it told of itself when it connected: of an iot.io client; else an empty dict."""
        return self.latest("data", {})

    @property
    def endpoints(self) -> Any:
        """What it declared that it can be sent: of an iot.io client; else an empty list."""
        return self.latest("endpoints", [])

    def latest(self, channel: str, default: Any = None) -> Any:
        """Return the latest value of a channel."""
        found = self._context.call(lambda: self._context.latest(self.id, channel))
        return default if found is None else found

    def publish(self, channel: str, value: Any) -> None:
        """Take a value in as a reading of this device, now; it is stored and shown as any other.

        Handlers see it as well: `on_x` that publishes `x` calls itself for ever. Raises
        `GatewayError`.
        """
        text = json_of(value)
        self._context.call(lambda: self._context.publish(self.id, channel, text))

    def join(self, room: str) -> None:
        """Put it into a room, until it leaves or disconnects."""
        self._context.call(lambda: self._context.join(self.id, room))

    def leave(self, room: str) -> None:
        """Take it out of a room."""
        self._context.call(lambda: self._context.rooms.leave(self.id, room))

    def send(self, name: str, value: Any = None, *, ttl: float | None = None) -> bool:
        """Send it a command, without waiting; one that is offline gets it when it returns within
        `ttl` seconds, and with a `ttl` of 0 never. Return whether it is on its way.
        """
        return self._fleet.send(self.id, name, value, ttl=ttl)

    async def request(self, name: str, value: Any = None, timeout: float = 10.0) -> Any:  # noqa: ASYNC109  # the contract's name
        """Send it a command and return its reply; raises `NoReply` after `timeout` seconds."""
        return await self._fleet.request(self.id, name, value, seconds=timeout)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Device({self.id!r})"
