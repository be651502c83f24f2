"""IOTcommunicate: a device and its phones on `/ws?device=ID&key=KEY&side=device|client`.

What the side `device` puts is telemetry, what the side `client` puts is a command; each side gets
what the other put, whatever it came in by. A status is a JSON object: `{"sensor": "led", "value":
1}` is the value 1 of the channel `led`; if it has more members, the value is the object of them,
and they stand beside `sensor` again on the way out.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
from aiohttp import web

from gateway.bridges.edge.listening import listening
from gateway.bridges.edge.sockets import Open, accepted, framed
from gateway.bridges.edge.values import Values, channel_of, name_of
from gateway.errors import GatewayError, Invalid, NotFound, Unauthenticated
from gateway.frames import is_new_command, to_json
from gateway.hub import Encoding, Listener, Subscription
from gateway.payloads import one_value
from gateway.topics import TopicFilter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from aiohttp import WSMessage

    from gateway.access.principal import Principal
    from gateway.asking import SendCommand
    from gateway.bridges.edge.door import Door
    from gateway.bridges.edge.sockets import Socket
    from gateway.broker.port import Done, Sent
    from gateway.catalog import Catalog
    from gateway.commands import AnswerTo, Command
    from gateway.frames import Entry, Series
    from gateway.hub import Hub
    from gateway.intake import Intake
    from gateway.links import Link
    from gateway.pace import Pace
    from gateway.presence import Presence
    from gateway.shapes import Clock, TellOfDevice

Side = Literal["device", "client"]
REMEMBERED = 2_000  # commands that were shown on one socket; twice as many as may wait for a device
SENSOR = "value"  # of a status that names none, as in the telemetry of MQTT
_OURS = frozenset({"sensor", "time", "write"})  # members that the server sets
_decode = msgspec.json.Decoder().decode


class Put(msgspec.Struct, tag_field="method", tag="put"):
    """Something new."""

    status: dict[str, Any]


class Get(msgspec.Struct, tag_field="method", tag="get"):
    """Ask for the last status of a sensor."""

    sensor: str | int | float | None = None


class Latest(msgspec.Struct):
    """What of a frame says what is there."""

    value: msgspec.Raw
    id: str = ""


class Status(NamedTuple):
    """A value (JSON text), when it was put (ms), and by which side."""

    value: str
    ts: int
    side: Side


_latest = msgspec.json.Decoder(Latest).decode
_asked = msgspec.json.Decoder(Put | Get).decode


def taken_apart(status: dict[str, Any]) -> tuple[str, str]:
    """Return a status as the sensor's name and the JSON text of its value."""
    sensor = _named(status.get("sensor"))
    members = {key: value for key, value in status.items() if key not in _OURS}
    lone = members.keys() == {"value"} and not (
        isinstance(members["value"], dict) and "value" in members["value"]
    )
    text = to_json(members["value"] if lone else members)
    return sensor, one_value(text.encode(), "json")


def _named(sensor: Any) -> str:
    """Return a sensor's name as text, since it is a channel; one without a name has a channel
    too.
    """
    if sensor is None or sensor == "":
        return SENSOR
    return sensor if isinstance(sensor, str) else to_json(sensor)


def put_together(channel: str, value: str, ts: int, side: Side) -> str:
    """Return the status that a value (JSON text) of a channel makes, as JSON text; `ts`: ms."""
    members: dict[str, Any] = {"sensor": name_of(channel), "value": msgspec.Raw(value.encode())}
    if value.startswith("{"):
        members |= {key: each for key, each in _decode(value).items() if key not in _OURS}
    return to_json({**members, "time": ts / 1000, "write": side})


def _to_clients(seq: int, entry: Entry, data: bytes) -> bytes:
    series, ts, value, _ = entry
    return (
        framed(put_together(series.channel, value, ts, "device"))
        if series.type == "telemetry"
        else b""
    )


class Given(NamedTuple):
    """A command as its device sees it."""

    id: str
    message: bytes


def _to_devices(seq: int, entry: Entry, data: bytes) -> Given | None:
    """A command is shown once, as it is given; its later states are nobody's business here."""
    series, ts, value, extra = entry
    if series.type != "command" or not is_new_command(extra):
        return None
    return Given(_latest(data).id, framed(put_together(series.channel, value, ts, "client")))


_CLIENTS = Encoding(frame=_to_clients)
_DEVICES = Encoding(frame=_to_devices, join=lambda parts: parts)


class DeviceSide:
    """A socket of the side `device`, as commands and presence see it, and the outlet of its
    listener.

    The listener shows every command that is given from its beginning on; a delivery then only waits
    for the receipt, and shows what is older. `others`: the device's links of other protocols, which
    get the command as well.
    """

    protocol = "iotcommunicate"

    def __init__(
        self, device: str, socket: Socket, others: Callable[[str], Sequence[Link]]
    ) -> None:
        self.device = device
        self.listener: Listener | None = None
        self.backlog = socket.backlog
        self.drained = socket.drained
        self._socket = socket
        self._others = others
        self._shown: dict[str, bool] = {}  # commands, the newest; whether the device has them
        self._awaited: dict[str, Done] = {}

    @property
    def address(self) -> str:
        return self._socket.address

    def write(self, data: Iterable[Given | None]) -> None:
        for given in data:
            if given is not None:
                self._show(given)

    def deliver(self, command: Command, delivered: Done) -> Sent | None:
        if not self._socket.open or self.listener is None or not self.listener.live:
            return None
        if command.id not in self._shown:
            status = put_together(command.name, command.value, command.created, "client")
            self._show(Given(command.id, framed(status)))
        if self._shown[command.id]:
            delivered()
        else:
            self._awaited[command.id] = delivered
        for link in self._others(self.device):
            if link.protocol != self.protocol:
                with suppress(GatewayError):  # the command is on its way all the same
                    link.deliver(command, _nothing)
        return "acknowledged"  # by the receipt: the device's WebSocket has the status

    def answer(self, command: Command, answer_to: AnswerTo) -> bool:
        """Such a device sends no commands that could be answered."""
        return False

    def _show(self, given: Given) -> None:
        self._shown[given.id] = False
        if len(self._shown) > REMEMBERED:
            del self._shown[next(iter(self._shown))]
        self._socket.write_registered(given.message, partial(self._has, given.id))

    def _has(self, command: str) -> None:
        if command in self._shown:
            self._shown[command] = True
        self._awaited.pop(command, _nothing)()

    def close(self, error: GatewayError) -> None:
        self._socket.end(error)


class IotCommunicate:
    """Serves `/ws`. `send(principal, device, name, value, ttl)` sends a command, value being JSON
    text.

    `supersede(device, name, sender)`: what a sender gave earlier under a name and waits is given
    up. `ready(device)`: what waits for a device may go out. `command(id)` reads one. `max_size`:
    bytes of a message.
    """

    def __init__(
        self,
        *,
        door: Door,
        hub: Hub,
        intake: Intake,
        catalog: Catalog,
        presence: Presence,
        ready: TellOfDevice,
        send: SendCommand,
        supersede: Callable[[str, str, str], None],
        command: Callable[[str], Awaitable[Command]],
        pace: Pace,
        clock: Clock,
        max_size: int,
    ) -> None:
        self._door = door
        self._hub = hub
        self._catalog = catalog
        self._presence = presence
        self._ready = ready
        self._send = send
        self._supersede = supersede
        self._command = command
        self._values = Values(intake=intake, catalog=catalog, clock=clock)
        self._pace = pace
        self._max_size = max_size
        self.open = Open(door.valid)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/ws", self.handle, allow_head=False),
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one socket until it ends; who shows a wrong key is closed before anything else
        happens.
        """
        async with accepted(request, max_size=self._max_size, may_be_busy=True) as socket:
            try:
                principal, side = self._enter(request)
                await self._serve(socket, principal, side)
            except GatewayError as error:
                await asyncio.sleep(error.delay)
                await socket.close(error)
        return socket.response

    def _enter(self, request: web.Request) -> tuple[Principal, Side]:
        device = request.query.get("device", "")
        principal = self._door.enter(request, device)
        if principal.device is None or principal.device != device:
            raise Unauthenticated("sign in as the device, with its key")
        given = request.query.get("side", "device")  # any other word is a side across from it
        return principal, "device" if given in {"device", ""} else "client"

    async def _serve(self, socket: Socket, principal: Principal, side: Side) -> None:
        assert principal.device is not None
        link = (
            DeviceSide(principal.device, socket, self._presence.links) if side == "device" else None
        )
        view = self._door.view(principal)
        listener = Listener(self._hub, link or socket, _DEVICES if link else _CLIENTS, view)
        listener.subscribe("all", Subscription(TopicFilter(f"{principal.device}/#")))
        listener.begin("all")
        self.open.add(socket, principal)
        try:
            if link is not None:
                link.listener = listener
                self._presence.connected(link)
                self._ready(link.device)
            take = partial(self._put, principal, side)
            async with listening(listener, socket.end):
                while (message := await socket.next()) is not None:
                    await self._pace.turn(principal.device)
                    await self._answer(socket, principal.device, take, message)
        finally:
            self.open.discard(socket)
            if link is not None:
                self._presence.disconnected(link, socket.departure)

    async def _answer(
        self, socket: Socket, device: str, put: Callable[[Put], Awaitable[None]], message: WSMessage
    ) -> None:
        asked: Put | Get | None = None
        try:
            asked = _read(message)
            if isinstance(asked, Put):
                await put(asked)
            else:
                await self._values.stored()  # so that who puts and gets, gets what it put
                socket.write(framed(await self._last(device, asked)))
        except GatewayError as error:
            said = {"error": str(error), "code": error.code, **_sensor(asked)}
            socket.write(framed(to_json(said)))
        await socket.drained()  # who asks and does not read is not read

    async def _put(self, principal: Principal, side: Side, asked: Put) -> None:
        assert principal.device is not None
        sensor, value = taken_apart(asked.status)
        if side == "device":
            await self._values.take(principal.device, sensor, value)
            return
        name = channel_of(sensor)
        self._supersede(principal.device, name, principal.key)  # a sensor has one state
        await self._send(principal, principal.device, name, value, None)

    async def _last(self, device: str, asked: Get) -> str:
        """Return the last status of a sensor, whichever side put it; `{}` if there is none."""
        channel = channel_of(_named(asked.sensor))
        of_type = {
            series.type: series
            for series in self._catalog.of_device(device)
            if series.channel == channel
        }
        statuses = [*_told(of_type.get("telemetry")), *await self._given(of_type.get("command"))]
        if not statuses:
            return "{}"
        return put_together(
            channel, *max(statuses, key=lambda status: status.ts)
        )  # in one ms, what the device told

    async def _given(self, series: Series | None) -> Sequence[Status]:
        """Return the last command of a name, with the time when it was given, whatever became of
        it.
        """
        if series is None or series.latest is None:
            return ()
        latest = _latest(series.latest)
        try:
            given = (await self._command(latest.id)).created
        except NotFound:  # it is older than commands are kept
            given = series.latest_ts
        return (Status(bytes(latest.value).decode(), given, "client"),)


def _told(series: Series | None) -> Sequence[Status]:
    """Return the last telemetry of a channel."""
    if series is None or series.latest is None:
        return ()
    return (Status(bytes(_latest(series.latest).value).decode(), series.latest_ts, "device"),)


def _read(message: WSMessage) -> Put | Get:
    try:
        asked: Put | Get = _asked(message.data)
    except msgspec.ValidationError as error:
        raise Invalid(f"put with a status, or get with a sensor: {error}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Invalid(f"not JSON: {error}") from None
    return asked


def _sensor(asked: Put | Get | None) -> dict[str, Any]:
    """Return the sensor that was asked about: their scripts look for it in any answer."""
    if asked is None:
        return {}
    return {"sensor": asked.status.get("sensor") if isinstance(asked, Put) else asked.sensor}


def _nothing() -> None:
    """A copy's delivery is not waited for."""
